#!/bin/bash
# Score a library of molecules in a job array.
#
#   mkdir -p log
#   job=$(sbatch --parsable --array=1-20 examples/hpc/slurm_array.sh library.smi run/)
#   sbatch --dependency=afterok:$job --wrap "logos runs verify run/ && logos runs merge run/ -o scored.jsonl.gz"
#
# A task that reaches the end of its time stops at a record (exit code 143) and goes on when it is queued again.
#SBATCH --job-name=logos
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH --time=01:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --output=log/%A_%a.txt
set -u

library=$1 run=$2

logos score "$library" --metrics qed,sa -o "$run" --shard auto --resume &
command=$!
trap 'kill -USR1 $command' USR1 TERM   # the shell gets the signal, the program must have it
wait $command
code=$?
if [ $code -gt 128 ]; then             # the shell was interrupted while it waited
    wait $command
    code=$?
fi
if [ $code -eq 143 ] && [ -n "${SLURM_JOB_ID:-}" ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}_${SLURM_ARRAY_TASK_ID:-0}"
fi
# 3: finished, and some records are in error; they are records of the run
[ $code -eq 3 ] && exit 0
exit $code
