#!/bin/bash
# Score a library of molecules in a job array.
#
#   mkdir -p log
#   job=$(sbatch --parsable --array=1-20 examples/hpc/slurm_array.sh library.smi run/)
#   sbatch --dependency=afterok:$job --wrap "logos runs verify run/ && logos runs merge run/ -o scored.jsonl.gz"
#
# A task near the end of its time stops at a record (exit code 143), and goes on when it is queued again. `logos plan` writes
# such a script with time, memory and number of tasks for your data.
#SBATCH --job-name=logos
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH --time=01:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@120
#SBATCH --output=log/%A_%a.txt

library=$1 run=$2

command='' signal=''
trap 'signal=USR1; [ -n "$command" ] && kill -USR1 $command' USR1
trap 'signal=TERM; [ -n "$command" ] && kill -TERM $command' TERM
logos score "$library" --metrics qed,sa -o "$run" --shard auto --resume &
command=$!
[ -n "$signal" ] && kill -$signal $command
while wait $command; code=$?; [ $code -gt 128 ] && kill -0 $command 2>/dev/null; do :; done
# only for want of time: a job that somebody cancels stays cancelled
if [ "$signal" = USR1 ] && [ $code -gt 128 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}" && exit 0
fi
# 3: finished, and some records are in error; they are records of the run
[ $code -eq 3 ] && exit 0
exit $code
