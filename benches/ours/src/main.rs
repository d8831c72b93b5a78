//! Our side of the benches: the same jobs, options and JSON keys as `benches/peer/huggingface.py`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use engraft::data::{Batching, Examples, Splits};
use engraft::generate::{Batch, Greedy, LanguageModel, Limits, Prompt, Request, RowSeed};
use engraft::hub::{Handle, Preset};
use engraft::kernels::{ClassTargets, Key, cross_entropy};
use engraft::models::{
    BoxedHead, Checkpoint, Compute, HeadInput, HeadKind, Initial, Mode, PackedTokens, TokenBatch,
    Towers,
};
use engraft::tasks::{
    Backbone, BackboneSlot, Learned, Model, Network, SequenceClassification, Task, TaskArguments,
};
use engraft::train::optimizer::{GradientSum, OptimizerState};
use engraft::train::settings::{Amount, Trainer};
use engraft::train::{AdamW, Event, Optimizer, Training};
use serde_json::{Map, Value, json};

// Every large temporary would otherwise be a fresh mapping for the operating system to clear.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Anything = Box<dyn std::error::Error>;

/// The options, with the peer's defaults.
struct Options {
    job: String,
    data: PathBuf,
    model: PathBuf,
    rows: Option<PathBuf>,
    count: usize,
    batches: usize,
    batch_size: usize,
    max_length: usize,
    repeats: usize,
    threads: usize,
    text: String,
    prompt: usize,
    new: usize,
    /// Of the seeded models, where not as many as those they are named after.
    layers: Option<usize>,
}

impl Options {
    fn parse() -> Result<Self, Anything> {
        use lexopt::prelude::*;
        let mut options = Self {
            job: String::new(),
            data: PathBuf::new(),
            model: PathBuf::new(),
            rows: None,
            count: 512,
            batches: 60,
            batch_size: 16,
            max_length: 256,
            repeats: 5,
            threads: 2,
            text: "oil prices rose".into(),
            prompt: 128,
            new: 48,
            layers: None,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Value(job) if options.job.is_empty() => options.job = job.string()?,
                Long("data") => options.data = parser.value()?.into(),
                Long("model") => options.model = parser.value()?.into(),
                Long("rows") => options.rows = Some(parser.value()?.into()),
                Long("count") => options.count = parser.value()?.parse()?,
                Long("batches") => options.batches = parser.value()?.parse()?,
                Long("batch-size") => options.batch_size = parser.value()?.parse()?,
                Long("max-length") => options.max_length = parser.value()?.parse()?,
                Long("repeats") => options.repeats = parser.value()?.parse()?,
                Long("threads") => options.threads = parser.value()?.parse()?,
                Long("prompt") => options.prompt = parser.value()?.parse()?,
                Long("new") => options.new = parser.value()?.parse()?,
                Long("layers") => options.layers = Some(parser.value()?.parse()?),
                Long("text") => options.text = parser.value()?.string()?,
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(options)
    }

    fn batching(&self) -> Batching {
        Batching {
            batch_size: self.batch_size,
            shuffle: false,
            ..Batching::default()
        }
    }

    /// The rows numbered in the file, or the first of the table.
    fn examples(&self, table: &str, count: usize) -> Result<Examples, Anything> {
        let all = engraft::read_examples(self.data.join(table), "text", "label")?;
        let rows: Vec<usize> = match &self.rows {
            Some(path) => std::fs::read_to_string(path)?
                .lines()
                .take(count)
                .map(str::parse)
                .collect::<Result<_, _>>()?,
            None => (0..count.min(all.len())).collect(),
        };
        Ok(all.select(&rows))
    }

    fn classifier(&self) -> Result<Model, Anything> {
        let backbone = Backbone {
            max_length: Some(self.max_length),
            ..Backbone::new(self.model.to_string_lossy())
        };
        let task = SequenceClassification {
            use_legacy_adapter: true,
            n_classes: Some(8),
            ..SequenceClassification::on(BackboneSlot::Pretrained(backbone))
        };
        // As the peer's classes do: a fresh head, in the form of the checkpoint's own kind, where the checkpoint has none.
        Ok(Model::build_on(
            Task::SequenceClassification(task),
            Preset::open(&Handle::Folder(self.model.clone()))?,
            Some(&Learned {
                classes: Some(8),
                ..Learned::default()
            }),
            &Compute::cpu(),
            1,
        )?)
    }
}

fn main() -> Result<(), Anything> {
    let options = Options::parse()?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build_global()?;
    let mut report = match options.job.as_str() {
        "fit" => fit(&options)?,
        "predict" => predict(&options)?,
        "start" => start(&options)?,
        "bert-base" => bert_base(&options)?,
        "smollm2" => smollm2(&options)?,
        other => {
            return Err(format!(
                "unknown job {other:?}; there are fit, predict, start, bert-base, smollm2"
            )
            .into());
        }
    };
    report["job"] = json!(options.job);
    report["peak_rss_mb"] = json!(peak_memory()?);
    println!("{report}");
    Ok(())
}

/// The most memory this process has held, in millions of bytes.
fn peak_memory() -> Result<f64, Anything> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("no VmHWM in /proc/self/status")?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024.0 / 1e6)
}

fn tokens_of(model: &Model, examples: &Examples) -> Result<usize, Anything> {
    let rows: Vec<usize> = (0..examples.len()).collect();
    Ok(model
        .spec
        .row_encoder()
        .encode(examples, &rows, None)?
        .iter()
        .map(|row| row.encoding.len())
        .sum())
}

fn adamw() -> Training {
    Training {
        optimizer: AdamW {
            lr: 5e-5,
            ..AdamW::default()
        }
        .into(),
        ..Training::default()
    }
}

fn fit(options: &Options) -> Result<Value, Anything> {
    let model = options.classifier()?;
    let examples = options.examples("train.tsv", options.batches * options.batch_size)?;
    let (rows, tokens) = (examples.len(), tokens_of(&model, &examples)?);
    let trainer = Trainer {
        max_epochs: Some(1),
        enable_checkpointing: Some(false),
        ..Trainer::default()
    };
    let (mut plan, _) = trainer.plan()?;
    plan.log = false;
    let mut began = Instant::now();
    let outcome = engraft::train::fit(
        model,
        engraft::train::Fit {
            training: &adamw(),
            plan: &plan,
            callbacks: &[],
            splits: Splits {
                train: Some(examples),
                valid: None,
                test: None,
                notes: Vec::new(),
                skipped: Vec::new(),
            },
            batching: &options.batching(),
            masking: None,
            seed: 1,
            config: "",
            optimizer: Default::default(),
            resume: None,
            fold: None,
            stop: Arc::new(AtomicBool::new(false)),
            observer: &mut |event: Event<'_>| {
                if matches!(event, Event::Started) {
                    began = Instant::now();
                }
            },
        },
    )?;
    let seconds = began.elapsed().as_secs_f64();
    let loss = outcome
        .metrics
        .iter()
        .find(|(name, _)| name == "train_loss_epoch")
        .map(|(_, value)| *value);
    Ok(json!({
        "rows": rows, "batches": outcome.steps, "seconds": seconds, "rows_per_second": rows as f64 / seconds, "tokens": tokens, "mean_loss": loss,
    }))
}

fn predict(options: &Options) -> Result<Value, Anything> {
    let model = options.classifier()?;
    let examples = options.examples("test.tsv", options.count)?;
    let (rows, tokens) = (examples.len(), tokens_of(&model, &examples)?);
    let began = Instant::now();
    let mut predictions = Vec::with_capacity(rows);
    let prediction = engraft::train::Prediction {
        examples: Arc::new(examples),
        batching: &options.batching(),
        limit: Amount::ALL,
        seed: 0,
        observer: &mut (),
    };
    engraft::train::predict(&model, prediction, |row| {
        predictions.push(row.largest());
        Ok::<(), engraft::train::Error>(())
    })?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(
        json!({ "rows": predictions.len(), "seconds": seconds, "rows_per_second": rows as f64 / seconds, "tokens": tokens }),
    )
}

fn start(options: &Options) -> Result<Value, Anything> {
    let classifier = engraft::TextClassifier::from_preset(&options.model.to_string_lossy())?
        .num_classes(8)
        .build()?;
    let predictions = classifier.predict([options.text.as_str()])?;
    Ok(json!({ "prediction": predictions.first().map(|prediction| prediction.class) }))
}

/// A Llama of SmolLM2-135M's size: reading a prompt, then writing token by token, one text and 32 at a time.
fn smollm2(options: &Options) -> Result<Value, Anything> {
    let folder = tempfile::tempdir()?;
    let config = json!({
        "model_type": "llama", "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": options.layers.unwrap_or(30),
        "num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 2048, "rope_theta": 100_000.0,
        "tie_word_embeddings": true,
    });
    std::fs::write(folder.path().join("config.json"), config.to_string())?;
    let model = LanguageModel::load(&open(folder.path())?, &Compute::cpu(), 1)?;
    let key = Key::new(2);
    let seconds = |rows: usize, prompt: usize, new: usize| -> Result<f64, Anything> {
        let began = Instant::now();
        let mut batch = Batch::new(&model, rows);
        for row in 0..rows {
            let id = |token: usize| (key.bits((row * prompt + token) as u64) % 49152) as u32;
            batch.add(Request {
                prompt: Prompt::of_ids((0..prompt).map(id).collect::<Vec<u32>>()),
                source: None,
                limits: Limits {
                    max_new_tokens: Some(new),
                    ..Limits::default()
                }
                .of_row(prompt, model.context())?,
                stop_tokens: [].into(),
                sampler: Greedy::default().into(),
                processors: Arc::default(),
                seed: RowSeed::new(1, row as u64, 0),
                sequences: 1,
                log_probabilities: false,
            })?;
        }
        let mut written = 0;
        while !batch.is_done() {
            written += batch.step()?.len();
        }
        assert_eq!(written, rows * new);
        Ok(began.elapsed().as_secs_f64())
    };
    // The first token comes with the prompt: what further ones take is the difference. The prompt is short, as its own time would blur that.
    let further = |rows: usize| -> Result<f64, Anything> {
        let difference = || Ok(seconds(rows, 8, options.new + 1)? - seconds(rows, 8, 1)?);
        let mut differences = (0..options.repeats)
            .map(|_| difference())
            .collect::<Result<Vec<f64>, Anything>>()?;
        differences.sort_by(f64::total_cmp);
        Ok((rows * options.new) as f64 / differences[differences.len() / 2])
    };
    seconds(1, 8, 2)?;
    let mut prefill = (0..options.repeats)
        .map(|_| seconds(1, options.prompt, 1))
        .collect::<Result<Vec<f64>, Anything>>()?;
    prefill.sort_by(f64::total_cmp);
    Ok(json!({
        "prefill_tokens_per_second": options.prompt as f64 / prefill[prefill.len() / 2],
        "one_row_tokens_per_second": further(1)?,
        "rows_32_tokens_per_second": further(32)?,
    }))
}

/// A fresh BERT-base, eight sequences of 128 tokens.
fn bert_base(options: &Options) -> Result<Value, Anything> {
    let folder = tempfile::tempdir()?;
    let config = json!({
        "model_type": "bert", "vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": options.layers.unwrap_or(12),
        "num_attention_heads": 12, "intermediate_size": 3072,
    });
    std::fs::write(folder.path().join("config.json"), config.to_string())?;
    let checkpoint = open(folder.path())?;
    let compute = Compute::cpu();
    let device = compute.device.clone();
    let initial = Initial {
        device: device.clone(),
        key: Key::new(1),
    };
    let kind = HeadKind::Classification;
    let head = checkpoint.classifier(kind, 2, false, &initial)?;
    let towers = Towers::one(checkpoint.encoder(&initial)?);
    let network = Network::new(towers, BoxedHead::new(head), &compute);
    let key = Key::new(2);
    let mut packed = PackedTokens::default();
    for row in 0..8 {
        let ids: Vec<u32> = (0..128)
            .map(|token| (key.bits(row * 128 + token) % 30522) as u32)
            .collect();
        packed.push(&ids, &[0; 128]);
    }
    let shape = &checkpoint.config().transformer;
    let logits = |network: &Network, device: &Device, mode: Mode| {
        let batch = TokenBatch::new(&packed, shape, device);
        let input = HeadInput {
            hidden: network.encoder().forward(&batch, mode),
            of_row: &[],
            tokens: &batch,
            is_pooled: false,
            towers: network.towers(),
            others: &[],
            sites: None,
            conditions: None,
        };
        network.head().forward(input, mode)
    };
    let forward = median(options.repeats, || {
        let _ = logits(&network, &device, Mode::Evaluate).into_data();
    });

    let device = device.autodiff();
    let mut network = Some(network.train());
    let optimizer = Optimizer::from(AdamW {
        lr: 5e-5,
        ..AdamW::default()
    });
    let mut state = OptimizerState::default();
    let mut number = 0;
    let step = median(options.repeats, || {
        if let Some(trained) = network.take() {
            let logits = logits(&trained, &device, Mode::Train(key.with(number)));
            number += 1;
            let loss = cross_entropy(logits, ClassTargets::new(vec![0, 1, 0, 1, 0, 1, 0, 1]));
            let mut sum = GradientSum::default();
            sum.add(&trained, loss.backward(), 8.0);
            network = Some(optimizer.step(trained, sum, &mut state, 5e-5, None));
        }
    });
    Ok(json!({
        "forward_seconds": forward, "forward_rows_per_second": 8.0 / forward, "step_seconds": step, "step_rows_per_second": 8.0 / step,
    }))
}

fn open(folder: &Path) -> Result<Checkpoint, Anything> {
    Ok(Checkpoint::open(
        Preset::open(&Handle::Folder(folder.to_owned()))?,
        &Map::new(),
        true,
    )?)
}

/// The median time of `repeats` calls, in seconds, after one that does not count.
fn median(repeats: usize, mut job: impl FnMut()) -> f64 {
    job();
    let mut times: Vec<f64> = (0..repeats.max(1))
        .map(|_| {
            let began = Instant::now();
            job();
            began.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
