#!/bin/sh
# man.sh PROGRAM PAGE VERSION FILE: a man page out of a command's --help.
set -eu
program=$1 page=$2 version=$3 file=$4
command=${page#scorecon}
command=${command#-}
mkdir -p "$(dirname "$file")"
escape() { sed -e 's/\\/\\e/g' -e "s/^\([.']\)/\\\\\&\1/" -e 's/-/\\-/g'; }
help=$("$program" $command --help)
if [ -n "$command" ]; then
    summary=$("$program" --help | sed -n "s/^  $command  *//p")
else
    summary="reconstruction of medical images from few measurements"
fi
others=$("$program" --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' | grep -vx "$command")
{
    printf '.TH %s 1 "" "scorecon %s" "scorecon"\n' "$(printf %s "$page" | tr a-z A-Z)" "$version"
    printf '.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.nf\n' "$page" "$(printf %s "$summary" | escape)"
    printf '%s\n' "$help" | sed -n '1{s/^Usage: *//;p;}' | escape
    printf '.fi\n.SH DESCRIPTION\n.nf\n'
    printf '%s\n' "$help" | sed 1d | escape
    printf '.fi\n.SH SEE ALSO\n'
    [ -z "$command" ] || printf '.BR scorecon (1),\n'
    printf '.BR scorecon\\-%s (1),\n' $others | sed '$s/,$//'
} >"$file.tmp"
mv "$file.tmp" "$file"
