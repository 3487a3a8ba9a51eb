# The commands of a plain Python route: ROS 2 from wheels in .venv, no ROS 2 installed.
# A sourced workspace would put its own rclpy before the one in .venv.
unexport PYTHONPATH AMENT_PREFIX_PATH LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE

# A file's tests share what is dear to make, so they stay in one worker.
PYTEST = .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: setup setup-test demo test test-all test-floor lint bench campaign validation clean

setup:
	@requirements/install.sh .venv run

setup-test: setup
	@requirements/install.sh .venv run test

demo: setup
	@rm -rf demo
	.venv/bin/lupex run sortie --bus ros --rate max --out demo
	@echo "The report is $(CURDIR)/demo/report.html"

test: setup-test
	$(PYTEST) -m "not slow"

test-all: setup-test
	$(PYTEST)

test-floor:
	@requirements/install.sh .venv-floor floor
	.venv-floor/bin/python -m pytest -n 2 -m "not slow" test/models

lint: setup-test
	.venv/bin/ruff check .
	.venv/bin/mypy

bench: setup
	.venv/bin/python -m bench

# Exits with 1 when a target is missed; its summary is made all the same.
campaign: setup
	-.venv/bin/lupex campaign config/campaigns/single_faults.yaml --out runs/single_faults
	cp runs/single_faults/campaign.json docs/campaign.json

validation: setup-test
	.venv/bin/python docs/make_validation.py

clean:
	rm -rf .venv .venv-floor build install log demo *.egg-info
