#!/usr/bin/env bash
# RecGPT end to end: set-up, then item text in, a trained model, recommendations out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    cat <<'USAGE'
./run.sh              MovieLens on one CPU, minutes: no keys, no hub, no GPU
./run.sh --full       the published scale (see configs/full.sh): hub, disks and GPUs
./run.sh --dry-run    print every command with its arguments, run none; also with --full

Started again, it goes on where it stopped and reuses what is done. Delete the run folder to start over.
USAGE
}

config=configs/demo.sh
dry_run=
for argument in "$@"; do
    case $argument in
        --full) config=configs/full.sh ;;
        --dry-run) dry_run=yes ;;
        -h | --help) usage && exit ;;
        *) echo "run.sh: unknown argument $argument" >&2 && usage >&2 && exit 2 ;;
    esac
done
# shellcheck source=configs/demo.sh
source "$config"
source scripts/setup.sh
[ -n "$dry_run" ] || setup "$EXTRAS"

# step DONE COMMAND...: run the command, unless the file DONE says that it has been run; - for always.
step() {
    local done_file=$1
    shift
    if [ -n "$dry_run" ]; then
        printf '%q ' "$@" && echo
    elif [ "$done_file" != - ] && [ -e "$done_file" ]; then
        printf 'reused %s\n' "$done_file"
    else
        printf '\n$ ' && printf '%q ' "$@" && echo
        "$@"
    fi
}

data=$RUN/data
trained_on=$data/${PRETRAIN[0]}
all=($(printf '%s\n' "${PRETRAIN[@]}" "${VALID[@]+"${VALID[@]}"}" "${TEST[@]}" | awk 'NF && !seen[$0]++'))

if [ -n "$INSTALL_ENCODER" ]; then
    step - recgpt encoders install "$ENCODER" --unless-hub
fi
for name in "${all[@]}"; do
    # shellcheck disable=SC2046  # the flags are words
    step "$data/$name/manifest.json" recgpt data import $(import_flags "$name") --out "$data/$name"
    step "$data/$name/embeddings.json" recgpt encode "$data/$name" --encoder "$ENCODER" --template "$TEMPLATE"
done
if [ -n "$FOUNDATION" ]; then
    for name in "${TEST[@]}"; do
        step - python predict.py --dataset "$data/$name" --ckpt_path "$FOUNDATION" \
            --json "$RUN/report-$name-foundation.json" --show 3
    done
fi
if [ ${#PRETRAIN[@]} -gt 1 ]; then
    trained_on=$data/pre_train
    step "$trained_on/maps.parquet" \
        python data_processing/merge_datasets.py "${PRETRAIN[@]/#/$data/}" --out "$trained_on" --overwrite
    step "$trained_on/embeddings.json" \
        python data_processing/merge_embeddings.py "${PRETRAIN[@]/#/$data/}" --out "$trained_on"
fi
step "$RUN/tokenizer/report.json" \
    recgpt train-tokenizer "$trained_on" --out "$RUN/tokenizer" "${TOKENIZER_FLAGS[@]+"${TOKENIZER_FLAGS[@]}"}"
for folder in "$trained_on" "${VALID[@]+"${VALID[@]/#/$data/}"}"; do
    step "$folder/tokens.json" recgpt tokenize "$folder" --tokenizer "$RUN/tokenizer"
done
validation=()
for name in "${VALID[@]+"${VALID[@]}"}"; do
    validation+=(--valid "$data/$name")
done
step "$RUN/model/last/config.json" \
    accelerate launch --quiet "${LAUNCH_FLAGS[@]}" -m recgpt.cli.main \
    pretrain generative "$trained_on" --tokenizer "$RUN/tokenizer" \
    --out "$RUN/model" "${TRAIN_FLAGS[@]}" "${validation[@]+"${validation[@]}"}"
for name in "${TEST[@]}"; do
    step - python predict.py --dataset "$data/$name" --ckpt_path "$RUN/model/best" \
        --json "$RUN/report-$name.json" --show 3 --control
done

[ -n "$dry_run" ] || cat <<DONE

Everything is in $RUN: model/best (the model), model/curve.png (how it learned), report-*.json (the figures), tokenizer/.
Simulate users on it: .venv/bin/recgpt simulate feed --dataset $data/${TEST[0]} --agents 200 --run demo-feed
Try it: .venv/bin/recgpt recommend --model $RUN/model/best --items $data/${TEST[0]}/items.parquet --history "TITLE; TITLE"
DONE
