#!/bin/bash
# SLURM: a task of the array measures a shard. Submit it from the repository, on a file system that all nodes share:
#   job=$(sbatch --parsable slurm.sh)
#   sbatch --dependency=afterany:$job slurm_judge.sh
# All tasks should run on nodes of one kind: parts of a case from GPUs of two kinds, say, cannot be compared.
#SBATCH --job-name=robustness
#SBATCH --array=1-8
#SBATCH --gpus=1
#SBATCH --cpus-per-task=4
#SBATCH --time=04:00:00
set -eu
shard=$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN + 1))
srun pytest robustness_tests --robustness-shard "$shard/$SLURM_ARRAY_TASK_COUNT" --robustness-json "part$shard.json" \
    -p no:cacheprovider
