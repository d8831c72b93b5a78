//! Commands by other names, options in either spelling, texts on the command line, and completions.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::Workplace;

#[test]
fn help_is_a_command_too() {
    let place = Workplace::empty();
    assert_eq!(place.succeed("help"), place.succeed("--help"));
    for command in ["fit", "predict", "generate", "completions"] {
        assert_eq!(
            place.succeed(&format!("help {command}")),
            place.succeed(&format!("{command} --help"))
        );
    }
    assert_eq!(
        place.succeed("help trainer.max-epochs"),
        place.succeed("fit --trainer.max_epochs.help")
    );
    assert_eq!(
        place.succeed("help AdamW"),
        place.succeed("components AdamW")
    );
}

#[test]
fn words_of_other_programs_for_a_command_are_answered() {
    let place = Workplace::empty();
    let words = [
        "train", "evaluate", "embed", "merge", "infer", "chat", "new", "models",
    ];
    let answers = words.map(|word| {
        let said = place.run(&format!("{word} --config fit.yaml"));
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{word}");
        said.err
    });
    insta::assert_snapshot!(answers.concat());
}

#[test]
fn options_are_written_with_either_sign_everywhere() {
    let place = Workplace::new();
    let snake =
        place.succeed("fit -c fit.yaml --trainer.max_epochs 1 --data.batch_size 8 --print_config");
    let kebab =
        place.succeed("fit -c fit.yaml --trainer.max-epochs 1 --data.batch-size 8 --print-config");
    assert_eq!(snake, kebab);
    place.succeed("fit -c fit.yaml --trainer.max-epochs 1");
    place.succeed(
        "predict --ckpt-path last --data.path unlabelled.csv --data.x-col sequence --output p.tsv",
    );
    place.succeed(
        "predict --ckpt_path last --data.path unlabelled.csv --data.x_col sequence --output q.tsv",
    );
    assert_eq!(place.read("p.tsv"), place.read("q.tsv"));
}

/// What the program prints when it is given a text on standard input.
fn with_input(place: &Workplace, words: &str, input: &str) -> (Option<i32>, String, String) {
    let mut child = place
        .command()
        .args(words.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_text_is_predicted_where_it_is_typed() {
    let place = Workplace::new();
    place.succeed("fit -c fit.yaml --trainer.max_epochs 1");
    let printed = {
        let said = place.run_words(&[
            "predict",
            "--ckpt_path",
            "last",
            "--text",
            "a w1",
            "--text",
            "b w2 w3",
        ]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        said.out
    };
    let mut lines = printed.lines();
    assert_eq!(
        lines.next(),
        Some("id\tprediction\tlabel\tp_low\tp_middle\tp_high\ttext")
    );
    let rows: Vec<&str> = lines.collect();
    assert!(
        rows.len() == 2 && rows[0].ends_with("\ta w1") && rows[1].ends_with("\tb w2 w3"),
        "{printed}"
    );
    // As it is of a file.
    place.succeed(
        "predict --ckpt_path last --data.path unlabelled.csv --data.x_col sequence --output p.tsv",
    );
    for (row, line) in rows.iter().zip(place.read("p.tsv").lines().skip(1)) {
        assert!(row.starts_with(line), "{row}: {line}");
    }
    // On standard input, asked for or because nothing else is.
    for words in [
        "predict --ckpt_path last --text -",
        "predict --ckpt_path last",
    ] {
        let (code, out, err) = with_input(&place, words, "a w1\n\nb w2 w3\n");
        assert_eq!((code, out), (Some(0), printed.clone()), "{words}: {err}");
    }
    // Into a file.
    let (code, out, _) = with_input(
        &place,
        "predict --ckpt_path last --text - --output t.csv",
        "a w1\n",
    );
    assert_eq!((code, out.as_str()), (Some(0), ""));
    assert_eq!(place.read("t.csv").lines().count(), 2);

    for (words, wanted) in [
        (
            "predict --ckpt_path last --text a --data.path unlabelled.csv",
            "--text: data.path is given too",
        ),
        (
            "predict --ckpt_path last --text",
            "--text needs the text to predict",
        ),
        ("fit -c fit.yaml --text a", "--text: only predict takes it"),
        (
            "predict --model Embed --model.backbone ./tiny --text a",
            "predictions for every token are not printed",
        ),
        (
            "predict --ckpt_path last --text -",
            "standard input holds no text",
        ),
    ] {
        let (code, _, err) = with_input(&place, words, "");
        assert!(code == Some(2) && err.contains(wanted), "{words}: {err}");
    }
}

#[test]
fn predictions_are_written_as_parquet_and_as_an_array_too() {
    let place = Workplace::new();
    let predict = "predict --model SequenceClassification --model.backbone ./tiny --model.use_legacy_adapter true --data SequenceClassificationDataModule --data.path train.tsv";
    for file in ["p.jsonl", "p.parquet", "p.npy", "p.safetensors"] {
        place.succeed(&format!("{predict} --output {file}"));
    }
    let read = |name: &str| {
        let table = engraft_data::read_table(&place.path(name), &Default::default()).unwrap();
        let columns = table.columns.into_iter();
        columns.map(|it| (it.name, it.cells)).collect::<Vec<_>>()
    };
    assert_eq!(read("p.parquet"), read("p.jsonl"));

    let array = std::fs::read(place.path("p.npy")).unwrap();
    let bytes = std::fs::read(place.path("p.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert!(array.ends_with(tensors.tensor("predictions").unwrap().data()));
    assert!(array.starts_with(b"\x93NUMPY\x01\x00"));
    let header = String::from_utf8_lossy(&array[10..128]).into_owned();
    assert!(header.contains("'shape': (24, 3,)"), "{header}");

    let said = place.run("predict --model Embed --model.backbone ./tiny --data SequencesDataModule --data.path unlabelled.csv --output e.npy");
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("do not fit one array"), "{}", said.err);
}

#[test]
fn generate_takes_a_checkpoint() {
    let place = Workplace::new();
    let said = place.run("generate --ckpt_path nowhere --prompt a");
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("cannot use the checkpoint \"nowhere\""),
        "{}",
        said.err
    );
    let said = place.run("generate tiny --ckpt-path tiny --prompt a");
    assert!(
        said.err.contains("are two models; give one"),
        "{}",
        said.err
    );
    let said = place.run("generate --ckpt_path last --prompt a");
    assert!(
        said.err.contains("holds no run with a checkpoint"),
        "{}",
        said.err
    );
}

#[test]
fn shells_complete_commands_and_options() {
    let place = Workplace::empty();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = place.succeed(&format!("completions {shell}"));
        for word in [
            "predict",
            "ckpt_path",
            "trainer.max_epochs",
            "max-new-tokens",
        ] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let said = place.run("completions tcsh");
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("unknown shell \"tcsh\""), "{}", said.err);
    assert!(place.run("completions").err.contains("for which shell?"));

    // As bash itself completes.
    let Ok(version) = Command::new("bash").arg("--version").output() else {
        eprintln!("skipped: there is no bash");
        return;
    };
    assert!(version.status.success());
    place.write("engraft.bash", &place.succeed("completions bash"));
    let complete = |words: &str| {
        let count = words.split(' ').count() - 1;
        let script = format!(
            "source engraft.bash; COMP_WORDS=({words}); COMP_CWORD={count}; _engraft; echo \"${{COMPREPLY[*]}}\""
        );
        let words = script.replace("''", "\"\"");
        let output = Command::new("bash")
            .args(["-c", &words])
            .current_dir(place.path(""))
            .output()
            .unwrap();
        assert!(
            output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(complete("engraft pre"), "predict presets");
    assert_eq!(complete("engraft help val"), "validate");
    assert_eq!(
        complete("engraft fit --trainer.max_e"),
        "--trainer.max_epochs"
    );
    assert_eq!(complete("engraft predict --tex"), "--text");
    assert_eq!(complete("engraft completions f"), "fish");
    assert_eq!(complete("engraft fit engraft.b"), "engraft.bash");
}
