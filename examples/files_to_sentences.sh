#!/usr/bin/env bash
# Turn files into sentences, check them, and turn them into files again.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

# The content decides what a file is. One molecule of this list is broken: it becomes a record that says so,
# the others are unharmed, and the exit code is 3.
logos encode "$here/seq.fasta" "$here/molecules.smi" -o records.jsonl.gz --overwrite || test $? = 3

logos grammar check records.jsonl.gz

logos decode records.jsonl.gz --to csv -o records.csv --overwrite || test $? = 3
logos encode "$here/reactions.smi" --as retrosynthesis -f text
