#!/usr/bin/env bash
# Plan the synthesis of two molecules from a stock of four, and draw the routes. Needs the extra routes.
set -euo pipefail

printf '%s\n' 'CC(=O)Cl' 'Nc1ccc(O)cc1' 'O=C(O)c1ccccc1O' 'CC(=O)OC(C)=O' > stock.smi
printf '%s\n' 'CC(=O)Nc1ccc(O)cc1 paracetamol' 'CC(=O)Oc1ccccc1C(=O)O aspirin' > targets.smi

logos generate route targets.smi --stock stock.smi --expansions 5 --top 2 -o routes.jsonl --overwrite
logos decode routes.jsonl --to smi # the last reaction of each route
logos generate route targets.smi --stock stock.smi --expansions 5 --top 2 -o routes.html --overwrite
