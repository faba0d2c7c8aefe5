#!/bin/bash
# Ligands for a pocket: sample, dock, score. Each step is a run that reads the run before; the whole script can be stopped and
# begun again, and goes on where it was.
#
#   bash examples/hpc/pipeline.sh complex.pdb 100 work/
set -euo pipefail

complex=$1 n=$2 work=$3
options=(${DOCK_OPTIONS:-})                # for example DOCK_OPTIONS="--exhaustiveness 16"
step() { "$@" --resume || [ $? -eq 3 ]; }  # 3: finished, and some records are in error; they are records of the run

mkdir -p "$work"
step logos generate ligand --pocket "$complex" -n "$n" -o "$work/generated/"
step logos dock -r "$complex" "$work/generated/" "${options[@]}" -o "$work/docked/"
step logos score "$work/docked/" --metrics qed,sa -o "$work/scored/"
logos runs merge "$work/scored/" -o "$work/ligands.jsonl" --overwrite
