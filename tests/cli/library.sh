# Sourced by the command tests: a work folder and ways to say what a command must do.
set -euo pipefail
program=$(realpath "$1")
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
shared=$source_dir/../shared/data
export SCORECON_DATA=$source_dir/prior OMP_WAIT_POLICY=passive
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failures=0

fail() { echo "FAILED: $*" >&2; failures=$((failures + 1)); }

# expect CODE PATTERN COMMAND...: exit code, one line on stderr that matches, nothing else.
expect() {
    local code=$1 pattern=$2 got=0
    shift 2
    timeout 120 "$program" "$@" --quiet >out.txt 2>err.txt || got=$?
    [ "$got" -eq "$code" ] || fail "scorecon $*: exit $got, expected $code: $(head -c 300 err.txt)"
    if [ "$code" -eq 1 ] && [ "$(wc -l <err.txt)" -ne 1 ]; then fail "scorecon $*: not one line: $(head -c 600 err.txt)"; fi
    grep -qiE -- "$pattern" err.txt || fail "scorecon $*: '$(head -c 300 err.txt)' does not match '$pattern'"
}

finish() { [ "$failures" -eq 0 ] || exit 1; echo "all as expected"; }
skip() { echo "skipped: $*"; exit 77; }
