#!/usr/bin/env bash
# Complete sentences with the embedded model: molecules from nothing, then the rest of each protein.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

logos generate molecule -n 5 --seed 7 -o molecules.jsonl --overwrite || test $? = 3
logos decode molecules.jsonl --to smi || test $? = 3

# The same seed gives the same samples, whatever the batch.
logos generate molecule -n 5 --seed 7 -o again.jsonl --overwrite || test $? = 3
cmp molecules.jsonl again.jsonl

# A sample that reaches the limit of tokens before its sentence ends is kept, marked, and counted: exit code 3.
logos generate protein --prompt "$here/seq.fasta" -n 1 --max-new-tokens 100 -f text || test $? = 3
