#!/usr/bin/env bash
# Complete sentences with the embedded model: two proteins for each beginning, then molecules from nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

logos generate protein --prompt "$here/seq.fasta" -n 2 --seed 7 --max-new-tokens 40 -o proteins.jsonl --overwrite
logos decode proteins.jsonl --to fasta

# The same seed gives the same samples, however they are ordered or batched.
logos generate protein --prompt "$here/seq.fasta" -n 2 --seed 7 --max-new-tokens 40 -o again.jsonl --overwrite
cmp proteins.jsonl again.jsonl
