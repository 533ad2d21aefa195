# make run [LOGS=FOLDER] [LISTEN=ADDR:PORT] [DATA=FOLDER] · make test · make lint · make bench · make soak · make dist
.PHONY: run test lint bench soak dist
.DEFAULT_GOAL := run

# Builds carbontrail and follows LOGS; without LOGS it writes lively logs of its own and follows those.
run:
	@LOGS='$(LOGS)' LISTEN='$(LISTEN)' DATA='$(DATA)' exec scripts/run

# Everything that must hold before a change lands; what .ci/run runs.
test:
	@exec scripts/test

lint:
	@exec scripts/lint

# End-to-end figures of this machine; written to docs/benchmarks.md with WRITE=1.
bench:
	@WRITE='$(WRITE)' BYTES='$(or $(BYTES),1GiB)' exec scripts/bench

# Fuzzing for 20 min a target, and the simulation at length: a million runs.
soak:
	@RUNS='$(or $(RUNS),1000000)' exec scripts/soak

# The agent for old hosts as tarball, deb and rpm, checked by installing them; in target/dist.
dist:
	@exec scripts/dist
