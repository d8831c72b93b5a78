//! What is refused, word for word, with its exit code, and without leaving a file.

use crate::Workplace;

/// The words after `engraft`. What answers them is in `snapshots/program__refusals__refused.snap`; `INSTA_UPDATE=always` writes it anew, to be
/// read line by line.
const REFUSED: &[&str] = &[
    "--frobnicate",
    "fti",
    "fit foo",
    "fit --config",
    "fit --config nowhere.yaml",
    "fit -c broken.yaml",
    "fit -c list.yaml",
    "fit -c misplaced.yaml",
    "fit -c types.yaml",
    "fit -c range.yaml",
    "fit -c fit.yaml --max_epochs 3",
    "fit -c fit.yaml --lr_scheduler StepLR",
    "fit -c fit.yaml --modle Embed",
    "fit -c fit.yaml --model SequenceClasification",
    "fit -c fit.yaml --model.adaptr LinearCLSAdapter",
    "fit -c fit.yaml --model.adapter MLPPool",
    "fit -c fit.yaml --model.optimizer SGDD",
    "fit -c fit.yaml --model.optimizer.learning_rate 3",
    "fit -c fit.yaml --model.optimizer.lr fast",
    "fit -c fit.yaml --model.n_classes 1",
    "fit -c fit.yaml --model.multilabel true",
    "fit -c fit.yaml --model.multilabel true --model.weighted_loss true",
    "fit -c fit.yaml --model.n_classes 4",
    "fit -c fit.yaml --model.adapter MLPPoolAdapter --model.adapter.dropout 1.5",
    "fit -c fit.yaml --model.lr_scheduler CosineWithWarmup",
    "fit -c fit.yaml --model.optimizer SGD --model.optimizer.nesterov true",
    "fit -c fit.yaml --model.optimizer.layer_decay 2",
    "fit -c fit.yaml --model.lr_scheduler LambdaLR",
    "fit -c fit.yaml --model.lr_scheduler ReduceLROnPlateau --model.lr_scheduler.monitor val_f2",
    "fit -c fit.yaml --model.lr_scheduler OneCycleLR --model.lr_scheduler.max_lr 1 --model.lr_scheduler.total_steps 3",
    "fit -c fit.yaml --model.optimizer Adafactor --model.lr_scheduler OneCycleLR --model.lr_scheduler.max_lr 1",
    "fit -c fit.yaml --trainer.callbacks FTScheduler",
    "fit -c fit.yaml --trainer.callbacks FTScheduler --trainer.callbacks.ft_schedule_path nowhere.yaml",
    "fit -c fit.yaml --model.backbone.use_peft true --model.backbone.lora_r 0",
    "fit -c fit.yaml --model.backbone.use_peft true --model.backbone.lora_target_modules [q_proj]",
    "fit -c fit.yaml --model.backbone.letters maybe",
    "fit -c fit.yaml --model.backbone.max_length 4000",
    "fit -c fit.yaml --model.backbone ./nowhere",
    "fit -c fit.yaml --model.backbone sapiens_vx",
    "fit -c fit.yaml --model.backbone hf://org/name",
    "fit -c fit.yaml --model.backbone ./bare",
    "fit -c fit.yaml --model.backbone ./cut",
    "fit -c fit.yaml --trainer.max_epoch 3",
    "fit -c fit.yaml --trainer.max_epochs -2",
    "fit -c fit.yaml --trainer.accumulate_grad_batches 0",
    "fit -c fit.yaml --trainer.gradient_clip_algorithm vale",
    "fit -c fit.yaml --trainer.callbacks EarlyStopping",
    "fit -c fit.yaml --trainer.callbacks EarlyStopping --trainer.callbacks.monitor val_lss",
    "fit -c fit.yaml --trainer.callbacks ModelCheckpont",
    "fit -c fit.yaml --trainer.default_root_dir train.tsv",
    "fit -c fit.yaml --seed_everything often",
    "fit -c fit.yaml --threads 0",
    "fit -c fit.yaml --threads",
    "fit -c fit.yaml --output a.tsv",
    "fit -c fit.yaml --print_config=all",
    "fit -c fit.yaml --ckpt_path nowhere",
    "fit -c fit.yaml --ckpt_path train.tsv",
    "fit -c fit.yaml --ckpt_path tiny",
    "fit -c fit.yaml --ckpt_path last",
    "fit -c fit.yaml --data.path nowhere.tsv",
    "fit -c fit.yaml --data.path table.xlsx",
    "fit -c fit.yaml --data.path binary.tsv",
    "fit -c fit.yaml --data.path empty.tsv",
    "fit -c fit.yaml --data.path header.tsv",
    "fit -c fit.yaml --data.path wide.tsv",
    "fit -c fit.yaml --data.y_col label",
    "fit -c fit.yaml --data.x_col sequence",
    "fit -c fit.yaml --data.extra_cols [weight]",
    "fit -c fit.yaml --data.cv_num_folds 5 --data.cv_test_fold_id 5",
    "fit -c fit.yaml --data.cv_num_folds 25",
    "fit -c fit.yaml --data.cv_num_folds 5 --data.cv_fold_id_col labels",
    "fit -c fit.yaml --data.cv_num_folds 5 --data.cv_fold_id_col age",
    "test -c fit.yaml --data.cv_num_folds 5",
    "fit -c fit.yaml --data.cv_num_folds 3 --ckpt_path tiny",
    "fit -c fit.yaml --data.cv_num_folds 3 --ckpt_path last",
    "fit -c fit.yaml --data.cv_num_folds 3 --trainer.callbacks ModelCheckpoint --trainer.callbacks.dirpath kept",
    "fit -c fit.yaml --data.class_weight [1,2]",
    "fit -c fit.yaml --data.class_weight heavy",
    "fit -c fit.yaml --data StructureTokenDataModule",
    "fit -c fit.yaml --data.valid_split_size 1.5",
    "fit --data SequencesDataModule --data.path unlabelled.csv",
    "fit --model SequenceClassification --model.backbone ./tiny",
    "fit --model Embed --model.backbone ./tiny --data SequencesDataModule --data.path unlabelled.csv",
    "fit --model SequenceClassification --data SequencesDataModule --data.path unlabelled.csv",
    "fit --model SequenceClassification --model.backbone ./tiny --data SequencesDataModule --data.path unlabelled.csv",
    "test -c fit.yaml --data.path labels.tsv",
    "test -c fit.yaml --data.path numbers.tsv",
    "test -c fit.yaml --model.use_legacy_adapter false",
    "predict --ckpt_path kept/last",
    "test --model Embed --model.backbone ./tiny --data SequenceClassificationDataModule --data.path train.tsv",
    "test --data SequenceClassificationDataModule --data.path train.tsv",
    "predict -c fit.yaml",
    "predict -c fit.yaml --output",
    "predict -c fit.yaml --output p.xlsx",
    "predict -c fit.yaml --output p",
    "predict -c fit.yaml --output nowhere/p.tsv",
    "predict -c fit.yaml --output full.tsv/p.tsv",
    "predict -c fit.yaml --output train.tsv --data.path ./train.tsv",
    "init train.tsv --output ./train.tsv --force",
    "predict -c fit.yaml --output p.tsv --data.path columns.tsv --data.extra_cols [prediction]",
    "predict -c fit.yaml --output p.tsv --model Inference",
    "predict --model Embed --model.backbone ./tiny --output p.tsv --data SequencesDataModule --data.path unlabelled.csv",
    "predict --output p.tsv --data SequencesDataModule --data.path unlabelled.csv",
    "predict --output p.tsv --ckpt_path bare --data SequencesDataModule --data.path unlabelled.csv",
    "predict --output p.tsv --ckpt_path kept/last --model Embed --model.backbone ./tiny --data SequencesDataModule --data.path unlabelled.csv",
    "predict --output p.tsv --ckpt_path kept/lst --data SequencesDataModule --data.path unlabelled.csv",
    "predict --output p.tsv --ckpt_path kept/lst",
    "test --ckpt_path kept/lst",
    "fit --ckpt_path last",
    "export --output mine",
    "export --ckpt_path kept/last",
    "export --ckpt_path kept/last --output full",
    "export --ckpt_path kept/last --output train.tsv",
    "export --ckpt_path kept/last --output kept/last",
    "export --ckpt_path tiny --output mine",
    "presets --all",
    "fit --modle.help",
    "fit --model.adapter.help MLPPool",
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
    std::fs::rename(place.path("kept/epoch=0-step=1"), place.path("kept/last")).unwrap();
    let before = files(&place);
    let root = place
        .path("")
        .display()
        .to_string()
        .trim_end_matches('/')
        .to_owned();
    let mut answers = Vec::new();
    let mut wrong = Vec::new();
    for words in REFUSED {
        let said = place.run(words);
        let is_note = |line: &&str| line.starts_with("note: ") || line.starts_with("model: ");
        let lines: Vec<&str> = said.err.lines().filter(|line| !is_note(line)).collect();
        match (said.code, said.out.as_str(), lines.as_slice()) {
            (Some(2), "", [line]) if line.starts_with("error: ") => {
                let sentence = line["error: ".len()..].replace(&root, "{place}");
                answers.push(format!("{words}\n    {sentence}\n"));
            }
            other => wrong.push(format!("{words}\n  {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    insta::assert_snapshot!("refused", answers.join("\n"));
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
