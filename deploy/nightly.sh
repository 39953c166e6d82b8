#!/bin/sh
# One night: measure, export for Prometheus, hold against history and model.
# Leaves gate.xml (JUnit) and gate.md in the current folder.
# Set where it differs: BENCH, RESULTS, TEXTFILES (node_exporter's folder), PROFILE.
# Ends as bench gate does: 0 as expected, 1 slow or broken, 2 wrong usage, 4 can't
# say; or as bench run where that could not measure.
set -u
BENCH=${BENCH:-bench}
RESULTS=${RESULTS:-/var/lib/bench/results}
TEXTFILES=${TEXTFILES:-/var/lib/prometheus/node-exporter}
PROFILE=${PROFILE:-standard}

rm -f gate.xml gate.md
log=$(mktemp) || exit 2
trap 'rm -f "$log"' EXIT

# The results may be shared by many nodes: bench says which file is tonight's.
"$BENCH" run --profile "$PROFILE" --out "$RESULTS" --partition >"$log"
ran=$?
cat "$log"
tonight=$(sed -n 's/^[0-9,]* cases are in //p' "$log" | tail -n 1)
if [ ! -f "$tonight" ]; then
	echo "nightly: bench run ended with $ran and left no results" >&2
	[ "$ran" -ne 0 ] || ran=3
	exit "$ran"
fi

# A file that is half written must not be collected: -o writes it whole.
if [ -d "$TEXTFILES" ]; then
	"$BENCH" export "$tonight" --format openmetrics -o "$TEXTFILES/bench.prom" || echo "nightly: no metrics for Prometheus" >&2
fi

"$BENCH" gate "$tonight" --baseline "$RESULTS" --model --junit gate.xml --format md -o gate.md
gate=$?
[ ! -f gate.md ] || cat gate.md
# The outcome is a metric too, for an alert: whole or not at all, as above.
if [ -d "$TEXTFILES" ]; then
	host=${BENCH_HOST:-$(hostname)}
	{
		echo "# HELP bench_gate_exit_code Exit code of the last gate: 0 as expected, 1 slow or broken, 2 unreadable, 4 can't say."
		echo "# TYPE bench_gate_exit_code gauge"
		echo "bench_gate_exit_code{host=\"$host\"} $gate"
		echo "# HELP bench_gate_end_timestamp_seconds When it ended, in seconds since 1970."
		echo "# TYPE bench_gate_end_timestamp_seconds gauge"
		echo "bench_gate_end_timestamp_seconds{host=\"$host\"} $(date +%s)"
	} >"$TEXTFILES/bench_gate.prom.$$" && chmod 644 "$TEXTFILES/bench_gate.prom.$$" && mv "$TEXTFILES/bench_gate.prom.$$" "$TEXTFILES/bench_gate.prom" ||
		echo "nightly: the gate's outcome is not among the metrics" >&2
fi
case $gate in
0 | 4) [ "$ran" -eq 0 ] || gate=$ran ;; # a failed case turns a night red, too
esac
exit "$gate"
