//! What is refused, word for word, with its exit code, and without leaving a file.

use crate::Workplace;

/// The words after `engraft`, and the one line that answers them; every refusal exits with 2.
const REFUSED: &[(&str, &str)] = &[
    (
        "--frobnicate",
        "\"--frobnicate\" comes before a command. Options follow one of: init, fit, validate, test, predict, generate, export, presets, components, schema",
    ),
    ("fti", "unknown command \"fti\". Did you mean \"fit\"?"),
    (
        "fit foo",
        "command line: unexpected \"foo\". Options are written --key value, and a value with spaces needs quotes",
    ),
    ("fit --config", "command line: --config needs a file"),
    (
        "fit --config nowhere.yaml",
        "nowhere.yaml: there is no such file",
    ),
    (
        "fit -c broken.yaml",
        "broken.yaml:2: not valid YAML, a list that begins with [ has no end, or an item no comma after it. Close it with ]",
    ),
    (
        "fit -c list.yaml",
        "list.yaml:1: expected keys such as model, data and trainer, found a list",
    ),
    (
        "fit -c misplaced.yaml",
        "misplaced.yaml:2: optimizer: belongs under model",
    ),
    (
        "fit -c types.yaml",
        "types.yaml:2: trainer.max_epochs: expected a whole number, found \"many\"",
    ),
    (
        "fit -c range.yaml",
        "range.yaml:5: data.init_args.batch_size: must be at least 1, found 0",
    ),
    (
        "fit -c fit.yaml --max_epochs 3",
        "--max_epochs: belongs under trainer. Write --trainer.max_epochs",
    ),
    (
        "fit -c fit.yaml --lr_scheduler StepLR",
        "--lr_scheduler: belongs under model. Write --model.lr_scheduler",
    ),
    (
        "fit -c fit.yaml --modle Embed",
        "--modle: unknown key. Did you mean \"model\"?",
    ),
    (
        "fit -c fit.yaml --model SequenceClasification",
        "--model: unknown model \"SequenceClasification\". Did you mean \"SequenceClassification\"?",
    ),
    (
        "fit -c fit.yaml --model.adaptr LinearCLSAdapter",
        "--model.adaptr: unknown key. Did you mean \"adapter\"?",
    ),
    (
        "fit -c fit.yaml --model.adapter MLPPool",
        "--model.adapter: unknown adapter \"MLPPool\". There are: LinearCLSAdapter, LinearLastAdapter, LinearMeanPoolAdapter, LinearMaxPoolAdapter, MLPPoolAdapter",
    ),
    (
        "fit -c fit.yaml --model.optimizer SGDD",
        "--model.optimizer: unknown optimizer \"SGDD\". Did you mean \"SGD\"?",
    ),
    (
        "fit -c fit.yaml --model.optimizer.learning_rate 3",
        "--model.optimizer.learning_rate: unknown key. Did you mean \"lr\"?",
    ),
    (
        "fit -c fit.yaml --model.optimizer.lr fast",
        "--model.optimizer.lr: expected a number, found \"fast\"",
    ),
    (
        "fit -c fit.yaml --model.n_classes 1",
        "--model.n_classes: a classifier needs at least 2 classes",
    ),
    (
        "fit -c fit.yaml --model.multilabel true",
        "--model.multilabel: the data has one class a row: name a column of 0 and 1 for each class with data.y_col, or remove multilabel",
    ),
    (
        "fit -c fit.yaml --model.multilabel true --model.weighted_loss true",
        "--model.weighted_loss: classes are weighed only where a row has one; remove it or multilabel",
    ),
    (
        "fit -c fit.yaml --model.n_classes 4",
        "--model.n_classes: 4 given, but the checkpoint's own head has 3 classes; remove n_classes, or set use_legacy_adapter to false for a new head",
    ),
    (
        "fit -c fit.yaml --model.adapter MLPPoolAdapter --model.adapter.dropout 1.5",
        "--model.adapter.dropout: expected a rate from 0 to below 1, found 1.5",
    ),
    (
        "fit -c fit.yaml --model.lr_scheduler CosineWithWarmup",
        "--model.lr_scheduler: CosineWithWarmup needs warmup_ratio or num_warmup_steps; 0 means no warm-up",
    ),
    (
        "fit -c fit.yaml --model.optimizer SGD --model.optimizer.nesterov true",
        "--model.optimizer.nesterov: needs a momentum above 0 and no dampening",
    ),
    (
        "fit -c fit.yaml --model.optimizer.layer_decay 2",
        "--model.optimizer.layer_decay: expected a number above 0 and up to 1, found 2",
    ),
    (
        "fit -c fit.yaml --model.lr_scheduler LambdaLR",
        "--model.lr_scheduler: LambdaLR cannot be used: its factor is a Python function, which an experiment cannot hold; SequentialLR puts other schedules together",
    ),
    (
        "fit -c fit.yaml --model.lr_scheduler ReduceLROnPlateau --model.lr_scheduler.monitor val_f2",
        "model.lr_scheduler: ReduceLROnPlateau: there is no metric \"val_f2\" to monitor. Did you mean \"val_f1\"?",
    ),
    (
        "fit -c fit.yaml --model.lr_scheduler OneCycleLR --model.lr_scheduler.max_lr 1 --model.lr_scheduler.total_steps 3",
        "model.lr_scheduler: OneCycleLR ends after 3 steps, but training goes on; give the number of all steps, or none, which means the whole run",
    ),
    (
        "fit -c fit.yaml --model.optimizer Adafactor --model.lr_scheduler OneCycleLR --model.lr_scheduler.max_lr 1",
        "--model.lr_scheduler: OneCycleLR moves the momentum, which Adafactor does not have; give cycle_momentum: false",
    ),
    (
        "fit -c fit.yaml --trainer.callbacks FTScheduler",
        "FTScheduler: ft_schedule_path is missing: name the YAML file that says what is trained from which epoch on, or remove the callback",
    ),
    (
        "fit -c fit.yaml --trainer.callbacks FTScheduler --trainer.callbacks.ft_schedule_path nowhere.yaml",
        "FTScheduler: ft_schedule_path: there is no file nowhere.yaml",
    ),
    (
        "fit -c fit.yaml --model.backbone.use_peft true --model.backbone.lora_r 0",
        "--model.backbone.lora_r: expected a rank from 1 to 16384, found 0",
    ),
    (
        "fit -c fit.yaml --model.backbone.use_peft true --model.backbone.lora_target_modules [q_proj]",
        "--model.backbone.lora_target_modules: q_proj matches no linear layer of ./tiny: it has attention.output.dense, attention.self.key, attention.self.query, attention.self.value, intermediate.dense, output.dense; give a name or what follows its last dots",
    ),
    (
        "fit -c fit.yaml --model.backbone.letters maybe",
        "--model.backbone.letters: expected error, unknown or map, found \"maybe\"",
    ),
    (
        "fit -c fit.yaml --model.backbone.max_length 4000",
        "--model.backbone.max_length: 4000 is more than the 40 positions of ./tiny; give 40 or less",
    ),
    (
        "fit -c fit.yaml --model.backbone ./nowhere",
        "cannot use the preset \"./nowhere\": the folder does not exist",
    ),
    (
        "fit -c fit.yaml --model.backbone sapiens_vx",
        "cannot use the preset \"sapiens_vx\": there is no built-in preset and no folder of this name. Did you mean \"sapiens_vh\"?",
    ),
    (
        "fit -c fit.yaml --model.backbone hf://org/name",
        "the preset \"hf://org/name\" is not in the local Hugging Face cache (looked for {place}/hf/hub/models--org--name); downloading is not supported yet: fetch it with `hf download org/name`, or name a folder that holds its files",
    ),
    (
        "fit -c fit.yaml --model.backbone ./bare",
        "./bare has no config.json; a preset is a folder with config.json, model.safetensors and a tokenizer's files",
    ),
    (
        "fit -c fit.yaml --model.backbone ./cut",
        "./cut/model.safetensors is not a usable safetensors file: tensor \"bert.encoder.layer.0.output.dense.weight\" should end at byte 60040 of the data, but there are only 53006; it was cut short: fetch it again",
    ),
    (
        "fit -c fit.yaml --trainer.max_epoch 3",
        "--trainer.max_epoch: unknown key. Did you mean \"max_epochs\"?",
    ),
    (
        "fit -c fit.yaml --trainer.max_epochs -2",
        "--trainer.max_epochs: -2 is no limit; use a number, or -1 for none",
    ),
    (
        "fit -c fit.yaml --trainer.accumulate_grad_batches 0",
        "--trainer.accumulate_grad_batches: 0 is too small; it must be at least 1",
    ),
    (
        "fit -c fit.yaml --trainer.gradient_clip_algorithm vale",
        "--trainer.gradient_clip_algorithm: expected norm or value, found \"vale\". Did you mean \"value\"?",
    ),
    (
        "fit -c fit.yaml --trainer.callbacks EarlyStopping",
        "--trainer.callbacks: trainer.callbacks[0].monitor: missing, EarlyStopping requires it: the metric to watch, such as `val_loss`",
    ),
    (
        "fit -c fit.yaml --trainer.callbacks EarlyStopping --trainer.callbacks.monitor val_lss",
        "trainer.callbacks: EarlyStopping: there is no metric \"val_lss\" to monitor. Did you mean \"val_loss\"?",
    ),
    (
        "fit -c fit.yaml --trainer.callbacks ModelCheckpont",
        "--trainer.callbacks: unknown callback \"ModelCheckpont\". Did you mean \"ModelCheckpoint\"?",
    ),
    (
        "fit -c fit.yaml --trainer.default_root_dir train.tsv",
        "cannot make the folder train.tsv: File exists (os error 17); choose another folder with trainer.default_root_dir",
    ),
    (
        "fit -c fit.yaml --seed_everything often",
        "--seed_everything: expected a whole number, true (which is 0) or false (a new seed for each run), found \"often\"",
    ),
    (
        "fit -c fit.yaml --threads 0",
        "--threads: expected a number of threads from 1 to 4096, found \"0\"",
    ),
    (
        "fit -c fit.yaml --threads",
        "--threads: expected a number of threads from 1 to 4096, found \"\"",
    ),
    (
        "fit -c fit.yaml --output a.tsv",
        "--output: fit writes no file of its own. Its logs and checkpoints go to trainer.default_root_dir",
    ),
    (
        "fit -c fit.yaml --print_config=all",
        "--print_config takes no value, found \"all\"",
    ),
    (
        "fit -c fit.yaml --ckpt_path nowhere",
        "ckpt_path: cannot use the checkpoint \"nowhere\": the folder does not exist",
    ),
    (
        "fit -c fit.yaml --ckpt_path train.tsv",
        "ckpt_path: cannot use the checkpoint \"train.tsv\": it is a file, but a checkpoint is a folder; files of other programs are not read",
    ),
    (
        "fit -c fit.yaml --ckpt_path tiny",
        "ckpt_path: tiny holds no engraft.yaml: it is not a model saved by engraft; name it as model.backbone instead",
    ),
    (
        "fit -c fit.yaml --ckpt_path last",
        "ckpt_path: logs: holds no run with a checkpoint; name one with --ckpt_path FOLDER",
    ),
    (
        "fit -c fit.yaml --data.path nowhere.tsv",
        "data.path: \"nowhere.tsv\" is no file or folder here; data sets are not downloaded",
    ),
    (
        "fit -c fit.yaml --data.path table.xlsx",
        "table.xlsx: unknown kind of table; the extensions read are .csv, .tsv, .tab, .jsonl, .ndjson, .json, .parquet, .pq, .fasta, .fa, .fas, .fna, .ffn, .faa, .fastq, .fq, .txt, each also with .gz or .zst",
    ),
    (
        "fit -c fit.yaml --data.path binary.tsv",
        "binary.tsv:2: a zero byte; is this a text file in UTF-8?",
    ),
    (
        "fit -c fit.yaml --data.path empty.tsv",
        "empty.tsv: the file is empty",
    ),
    (
        "fit -c fit.yaml --data.path header.tsv",
        "header.tsv: the file has no rows",
    ),
    (
        "fit -c fit.yaml --data.path wide.tsv",
        "wide.tsv:3: expected 2 cells as in the header, found 3",
    ),
    (
        "fit -c fit.yaml --data.y_col label",
        "train.tsv: no column \"label\" (y_col); the file has \"id\", \"sequences\", \"labels\", \"age\". Did you mean \"labels\"?",
    ),
    (
        "fit -c fit.yaml --data.x_col sequence",
        "train.tsv: no column \"sequence\" (x_col); the file has \"id\", \"sequences\", \"labels\", \"age\". Did you mean \"sequences\"?",
    ),
    (
        "fit -c fit.yaml --data.extra_cols [weight]",
        "train.tsv: no column \"weight\" (extra_cols); the file has \"id\", \"sequences\", \"labels\", \"age\"",
    ),
    (
        "fit -c fit.yaml --data.cv_num_folds 5 --data.cv_test_fold_id 5",
        "--data.cv_test_fold_id: there is no fold 5: 5 folds (cv_num_folds) are numbered 0 to 4",
    ),
    (
        "fit -c fit.yaml --data.cv_num_folds 25",
        "data.cv_num_folds: 25 folds of 24 rows would leave folds without rows",
    ),
    (
        "fit -c fit.yaml --data.cv_num_folds 5 --data.cv_fold_id_col labels",
        "train.tsv:2: the column \"labels\" must hold a fold, a whole number from 0, here it holds \"low\"",
    ),
    (
        "fit -c fit.yaml --data.cv_num_folds 5 --data.cv_fold_id_col age",
        "data.cv_fold_id_col: the column \"age\" must hold each of the folds 0 to 4 and no other, as cv_num_folds is 5, but there is fold 5 (first at train.tsv:7), 6 (first at train.tsv:8), 7 (first at train.tsv:9), 8 (first at train.tsv:10), 9 (first at train.tsv:11), 10 (first at train.tsv:12), 11 (first at train.tsv:13), 12 (first at train.tsv:14), 13 (first at train.tsv:15), 14 (first at train.tsv:16), 15 (first at train.tsv:17), 16 (first at train.tsv:18) and others",
    ),
    (
        "test -c fit.yaml --data.cv_num_folds 5",
        "data.cv_test_fold_id: missing. Give a fold from 0 to 4, or set data.cv_num_folds to 1 to take every row",
    ),
    (
        "fit -c fit.yaml --data.cv_num_folds 3 --ckpt_path tiny",
        "ckpt_path: tiny is not the folder of a run of all folds, such as logs/version_0. To begin every fold from a checkpoint's weights, name it as model.backbone; to go on with one fold, give data.cv_test_fold_id",
    ),
    (
        "fit -c fit.yaml --data.cv_num_folds 3 --ckpt_path last",
        "ckpt_path: logs: holds no run of all folds; leave --ckpt_path out to begin one",
    ),
    (
        "fit -c fit.yaml --data.cv_num_folds 3 --trainer.callbacks ModelCheckpoint --trainer.callbacks.dirpath kept",
        "trainer.callbacks: ModelCheckpoint: dirpath: all folds would keep their checkpoints in kept. Remove it, and each keeps them in its own folder, or fit one fold with data.cv_test_fold_id",
    ),
    (
        "fit -c fit.yaml --data.class_weight [1,2]",
        "data.class_weight: 2 numbers given for 3 classes (low, middle, high); give one for each, in this order",
    ),
    (
        "fit -c fit.yaml --data.class_weight heavy",
        "--data.class_weight: expected auto, or a list of numbers with one for each class, found \"heavy\"",
    ),
    (
        "fit -c fit.yaml --data DiffusionDataModule",
        "--data: DiffusionDataModule cannot be used: there is no diffusion task here yet",
    ),
    (
        "fit -c fit.yaml --data.valid_split_size 1.5",
        "--data.valid_split_size: expected a fraction below 1 or a whole number of rows, found \"1.5\"",
    ),
    (
        "fit --data SequencesDataModule --data.path unlabelled.csv",
        "model: missing, fit requires it. Give --model CLASS or a --config with a model",
    ),
    (
        "fit --model SequenceClassification --model.backbone ./tiny",
        "data: missing, fit requires it. Give --data CLASS or a --config with data",
    ),
    (
        "fit --model Embed --model.backbone ./tiny --data SequencesDataModule --data.path unlabelled.csv",
        "model: Embed only predicts, so there is nothing to fit. Use predict, or a model that learns: SequenceClassification, TokenClassification, SequenceRegression, MLM, CausalLM",
    ),
    (
        "fit --model SequenceClassification --data SequencesDataModule --data.path unlabelled.csv",
        "--model: model.backbone: missing, SequenceClassification requires it: the pretrained encoder",
    ),
    (
        "fit --model SequenceClassification --model.backbone ./tiny --data SequencesDataModule --data.path unlabelled.csv",
        "unlabelled.csv: holding out 1 of 1 rows as valid split leaves none to train on; lower valid_split_size",
    ),
    (
        "test -c fit.yaml --data.path labels.tsv",
        "labels.tsv:2: unknown label \"tall\"; the model's classes are low, middle, high",
    ),
    (
        "test -c fit.yaml --data.path numbers.tsv",
        "numbers.tsv:3: label 7 is out of range: the model has 3 classes, 0 to 2",
    ),
    (
        "test --model Embed --model.backbone ./tiny --data SequenceClassificationDataModule --data.path train.tsv",
        "model: Embed only predicts, so there is nothing to score. Use predict",
    ),
    (
        "test --data SequenceClassificationDataModule --data.path train.tsv",
        "model: missing, test requires it. Give --model CLASS or a --config with a model, or --ckpt_path with a checkpoint, which holds its model",
    ),
    (
        "predict -c fit.yaml",
        "predict requires --output FILE, such as predictions.tsv, or a PredictionWriter among trainer.callbacks",
    ),
    (
        "predict -c fit.yaml --output",
        "--output needs the name of what to write",
    ),
    (
        "predict -c fit.yaml --output p.parquet",
        "--output: p.parquet: unknown output format; predictions are written as .tsv, .csv, .jsonl, .safetensors",
    ),
    (
        "predict -c fit.yaml --output p",
        "--output: p: unknown output format; predictions are written as .tsv, .csv, .jsonl, .safetensors",
    ),
    (
        "predict -c fit.yaml --output nowhere/p.tsv",
        "--output: cannot write nowhere/p.tsv: the folder nowhere does not exist",
    ),
    (
        "predict -c fit.yaml --output full.tsv/p.tsv",
        "--output: cannot write full.tsv/p.tsv: the folder full.tsv does not exist",
    ),
    (
        "predict -c fit.yaml --output p.tsv --data.path columns.tsv --data.extra_cols [prediction]",
        "data: the column \"prediction\" that is carried along is also a column of the predictions. Leave it out (extra_cols), or give it another name (rename_cols, out_cols)",
    ),
    (
        "predict -c fit.yaml --output p.tsv --model Inference",
        "--output: p.tsv: predictions for every token do not fit a table. Name a .safetensors file",
    ),
    (
        "predict --model Embed --model.backbone ./tiny --output p.tsv --data SequencesDataModule --data.path unlabelled.csv",
        "--output: p.tsv: predictions for every token do not fit a table. Name a .safetensors file, or choose a model.pooling",
    ),
    (
        "predict --output p.tsv --data SequencesDataModule --data.path unlabelled.csv",
        "model: missing, predict requires it. Give --model CLASS or a --config with a model, or --ckpt_path with a checkpoint, which holds its model",
    ),
    (
        "predict --output p.tsv --ckpt_path bare --data SequencesDataModule --data.path unlabelled.csv",
        "ckpt_path: the folder holds no engraft.yaml, so it is no checkpoint. Name it as model.backbone instead",
    ),
    (
        "predict --output p.tsv --ckpt_path kept/last --model Embed --model.backbone ./tiny --data SequencesDataModule --data.path unlabelled.csv",
        "ckpt_path: kept/last holds a model for SequenceClassification, but the experiment's model is Embed. To use its encoder for another task, give the folder as model.backbone",
    ),
    (
        "predict --output p.tsv --ckpt_path kept/lst --data SequencesDataModule --data.path unlabelled.csv",
        "ckpt_path: cannot use the checkpoint \"kept/lst\": the folder does not exist. Did you mean \"last\"?",
    ),
    (
        "export --output mine",
        "export requires --ckpt_path DIR, the checkpoint to export, or last",
    ),
    (
        "export --ckpt_path kept/last",
        "export requires --output DIR, the preset's folder",
    ),
    (
        "export --ckpt_path kept/last --output full",
        "--output: the folder full holds something else than a preset, which would be lost. Name another folder",
    ),
    (
        "export --ckpt_path kept/last --output train.tsv",
        "--output: cannot write train.tsv: it is a file; name a folder",
    ),
    (
        "export --ckpt_path kept/last --output kept/last",
        "--output: the checkpoint itself cannot be its own export. Name another folder",
    ),
    (
        "export --ckpt_path tiny --output mine",
        "ckpt_path: tiny holds no engraft.yaml: it is not a model saved by engraft; name it as model.backbone instead",
    ),
    ("presets --all", "presets takes no options"),
    (
        "fit --modle.help",
        "--modle.help: there is no argument \"modle\". Did you mean \"model\"?",
    ),
    (
        "fit --model.adapter.help MLPPool",
        "--model.adapter.help: unknown adapter \"MLPPool\". There are: LinearCLSAdapter, LinearLastAdapter, LinearMeanPoolAdapter, LinearMaxPoolAdapter, MLPPoolAdapter",
    ),
];

#[test]
fn every_refusal_is_one_exact_sentence() {
    let place = Workplace::new();
    place.write(
        "broken.yaml",
        "model:\n  class_path: [SequenceClassification\n",
    );
    place.write("list.yaml", "- a\n- b\n");
    place.write(
        "misplaced.yaml",
        "model: SequenceClassification\noptimizer: AdamW\n",
    );
    place.write("types.yaml", "trainer:\n  max_epochs: many\n");
    place.write("range.yaml", "data:\n  class_path: SequencesDataModule\n  init_args:\n    path: unlabelled.csv\n    batch_size: 0\n");
    place.write("binary.tsv", "sequences\tlabels\na\0b\tlow\n");
    place.write("empty.tsv", "");
    place.write("header.tsv", "sequences\tlabels\n");
    place.write("wide.tsv", "sequences\tlabels\na\tlow\nb\tlow\tmore\n");
    place.write("labels.tsv", "sequences\tlabels\na\ttall\n");
    place.write("numbers.tsv", "sequences\tlabels\na\t0\nb\t7\n");
    place.write("columns.tsv", "sequences\tlabels\tprediction\na\tlow\t1\n");
    place.write("table.xlsx", "x");
    std::fs::create_dir(place.path("full")).unwrap();
    place.write("full/thesis.txt", "years of work");
    std::fs::create_dir(place.path("bare")).unwrap();
    std::fs::create_dir(place.path("cut")).unwrap();
    for file in ["config.json", "vocab.txt"] {
        std::fs::copy(place.path("tiny").join(file), place.path("cut").join(file)).unwrap();
    }
    let weights = std::fs::read(place.path("tiny/model.safetensors")).unwrap();
    std::fs::write(
        place.path("cut/model.safetensors"),
        &weights[..weights.len() / 2],
    )
    .unwrap();
    place.succeed("fit -c fit.yaml --trainer.max_steps 1 --trainer.default_root_dir done");
    std::fs::rename(place.path("done/version_0/checkpoints"), place.path("kept")).unwrap();
    let before = files(&place);
    let root = place
        .path("")
        .display()
        .to_string()
        .trim_end_matches('/')
        .to_owned();
    let mut wrong = Vec::new();
    for (words, expected) in REFUSED {
        let said = place.run(words);
        let last = said
            .err
            .lines()
            .filter(|line| !line.starts_with("note: ") && !line.starts_with("model: "));
        let last: Vec<&str> = last.collect();
        if said.code != Some(2)
            || last != [format!("error: {}", expected.replace("{place}", &root))]
            || !said.out.is_empty()
        {
            wrong.push(format!(
                "{words}\n  {:?} {last:?}{}\n  expected {expected:?}",
                said.code, said.out
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert_eq!(files(&place), before);
}

/// Each fails once it runs: exit code 1, one sentence, and no file of predictions.
const BROKEN: &[(&str, &str)] = &[
    (
        "predict -c fit.yaml --data.path long.tsv --output p.tsv",
        "long.tsv:3: 52 tokens, but the model has positions for 40: give model.backbone.max_length to cut long rows",
    ),
    (
        "test -c fit.yaml --data.path long.tsv",
        "long.tsv:3: 52 tokens, but the model has positions for 40: give model.backbone.max_length to cut long rows",
    ),
];

#[test]
fn a_failure_of_a_run_is_one_sentence_too() {
    let place = Workplace::new();
    let long = "a ".repeat(50);
    place.write(
        "long.tsv",
        &format!("sequences\tlabels\na\tlow\n{long}\tlow\n"),
    );
    let before = files(&place);
    for (words, expected) in BROKEN {
        let said = place.run(words);
        assert_eq!(
            said.err.lines().last(),
            Some(format!("error: {expected}").as_str()),
            "{words}"
        );
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{words}");
    }
    assert_eq!(files(&place), before);
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run() {
    let place = Workplace::new();
    let said = place.run("fit -c fit.yaml --model.optimizer.lr 1e30 --trainer.max_epochs 50");
    assert_eq!(said.code, Some(1), "{}", said.err);
    let last = said.err.lines().last().unwrap();
    assert!(last.starts_with("error: the loss became "), "{last}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_a_run_in_one_sentence() {
    let place = Workplace::new();
    // Nothing can be written to this device; standard output is where scores go.
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let said = place
        .command()
        .args(["test", "-c", "fit.yaml"])
        .stdout(full)
        .output()
        .unwrap();
    let said = (said.status.code(), String::from_utf8(said.stderr).unwrap());
    assert_eq!(said.0, Some(1));
    assert!(
        said.1
            .contains("error: cannot write to standard output: No space left on device"),
        "{}",
        said.1
    );
}

/// All files and folders of a workplace.
fn files(place: &Workplace) -> Vec<String> {
    fn list(folder: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.display().to_string());
            if path.is_dir() {
                list(&path, found);
            }
        }
    }
    let mut found = Vec::new();
    list(&place.path(""), &mut found);
    found.sort();
    found
}
