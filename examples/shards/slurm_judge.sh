#!/bin/bash
# SLURM: puts the parts of slurm.sh together, and judges. It needs no GPU.
#SBATCH --job-name=robustness-judge
#SBATCH --time=00:30:00
set -eu
python -m pytest_robustness merge part*.json -o all.json || [ $? = 2 ]
python -m pytest_robustness report all.json --suite robustness.toml --baselines baselines -o report.html
python -m pytest_robustness judge all.json --suite robustness.toml --baselines baselines
