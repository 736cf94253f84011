"""Studies of simulated users: whether they rate like the people that they stand for.

    recgpt gym ablate --study all --domain books --retrieval decay_emotion_3 --run books
    recgpt gym verify books

The five ablation studies of SUBER and EmoSim-RL with their protocols, and the form that is put to people:

| study | users | items | passes where |
|-|-|-|-|
| preference | 8 tags x 4 personas who love one tag | 20 with the tag, 20 without | liked rated high, others low |
| high | 4 personas who always give the highest rating | all items of the tags, one by one | rated highest |
| low | 4 personas who always give the lowest rating | the same | rated lowest |
| collection | 100 users a series | its last part, after they loved (hated) the others | rated high (low) |
| distribution | 25 users an item | the catalogue | shares of ratings as in real data |
| human | 10 interactions | for people to judge | not scored |

A study is a run in the store. Its dump is a Parquet file with every question and answer; summary, report and
verification are made from the dump.

Shapes: Q questions, M remembered items of a question, k items retrieved from memory, P personas or other units of a
bootstrap, R resamples, V values of the scale.
"""
