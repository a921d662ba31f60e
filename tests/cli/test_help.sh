#!/usr/bin/env bash
# --help of every command is laid out within 80 columns; recon --method list says what there is.
source "$(dirname "$0")/library.sh"
for command in recon simulate compare info check train sample likelihood encode import; do
    "$program" $command --help >help.txt || fail "$command --help"
    grep -nE '.{80}' help.txt && fail "$command --help: a line of more than 79 characters"
    # blanks stand before a line, and between an option and its help, which begins in column 30
    grep -nE '[^ ] {3,}[^ ]' help.txt | grep -vE '^[0-9]+:( {2}-., | {6})--?[^ ]+ +[^ ]' && fail "$command --help: blanks within a line"
done
"$program" recon --method list >methods.txt 2>err.txt || fail "recon --method list: exit $?"
[ ! -s err.txt ] || fail "recon --method list: $(cat err.txt)"
for method in zero-filled cg-sense l1-wavelet tv annealed-proximal diffpir dps daps red-diff; do
    grep -q "^  $method: " methods.txt || fail "recon --method list does not have $method"
done
finish
