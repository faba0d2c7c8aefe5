#!/bin/sh
# Score a library of molecules with all cores of one machine.
#
#   sh examples/hpc/local_parallel.sh library.smi run/ 8
set -eu

library=$1 run=$2 n=$3

shard() { echo "logos score '$library' --metrics qed,sa -o '$run' --shard {}/$n --resume -q || [ \$? -eq 3 ]"; }

if command -v parallel >/dev/null; then
    seq "$n" | parallel --jobs "$n" "$(shard)"
else
    seq "$n" | xargs -P "$n" -I '{}' sh -c "$(shard)"
fi
logos runs verify "$run"
logos runs merge "$run" -o "${run%/}.jsonl.gz" --overwrite
