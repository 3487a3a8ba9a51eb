# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

# tests of units share a bench that lies beside them
sys.path.insert(0, str(Path(__file__).parent))
