//! LoRA from the command line: small checkpoints, their backbone, and what export makes of them.

use std::fs;

use crate::Workplace;

const LORA: &str = "fit -c fit.yaml --model.backbone.use_peft true --model.backbone.lora_r 4";

/// The newest checkpoint of the run in `root`.
fn checkpoint(place: &Workplace, root: &str) -> String {
    let folder = format!("{root}/version_0/checkpoints");
    let mut names: Vec<String> = fs::read_dir(place.path(&folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    format!("{folder}/{}", names.last().unwrap())
}

/// The logits of a model for the rows of `train.tsv`.
fn logits(place: &Workplace, model: &str) -> Vec<f32> {
    let data = "--data SequenceClassificationDataModule --data.path train.tsv --data.batch_size 4";
    place.succeed(&format!("predict {model} {data} --output l.safetensors"));
    let bytes = fs::read(place.path("l.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let values = tensors.tensor("predictions").unwrap().data().to_vec();
    values
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect()
}

fn difference(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    left.iter()
        .zip(right)
        .map(|(left, right)| (left - right).abs())
        .fold(0.0, f32::max)
}

#[test]
fn a_checkpoint_with_lora_is_small_and_opens_on_its_backbone() {
    let place = Workplace::new();
    place.succeed(LORA);
    let kept = checkpoint(&place, "logs");
    let scores = place.succeed(&format!("test -c fit.yaml --ckpt_path {kept}"));
    assert!(!place.path(&format!("{kept}/model.safetensors")).exists());
    for file in [
        "adapter_config.json",
        "adapter_model.safetensors",
        "engraft.yaml",
    ] {
        assert!(place.path(&format!("{kept}/{file}")).is_file(), "{file}");
    }

    // The backbone moved: it is named anew. Other weights are another backbone.
    fs::rename(place.path("tiny"), place.path("moved")).unwrap();
    let said = place.run(&format!("predict --ckpt_path {kept} --data SequencesDataModule --data.path unlabelled.csv --output p.tsv"));
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("was trained on cannot be opened"),
        "{}",
        said.err
    );
    let moved =
        format!("test -c fit.yaml {LORA_ARGUMENTS} --model.backbone ./moved --ckpt_path {kept}");
    assert_eq!(place.succeed(&moved), scores);
    let file = place.path("moved/model.safetensors");
    let mut weights = fs::read(&file).unwrap();
    let last = weights.len() - 2;
    weights[last] ^= 1;
    fs::write(&file, weights).unwrap();
    let said = place.run(&moved);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("was trained on the backbone")
            && said.err.contains("./moved has other weights"),
        "{}",
        said.err
    );
}

const LORA_ARGUMENTS: &str = "--model.backbone.use_peft true --model.backbone.lora_r 4";

#[test]
fn an_adapter_is_exported_merged_or_alone() {
    let place = Workplace::new();
    place.succeed(LORA);
    let kept = checkpoint(&place, "logs");
    let said = place.run(&format!("export --ckpt_path {kept} --output out"));
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("--merge-lora") && said.err.contains("--peft"),
        "{}",
        said.err
    );

    let trained = logits(&place, &format!("--ckpt_path {kept}"));
    let untrained = logits(
        &place,
        "--model SequenceClassification --model.backbone ./tiny --model.use_legacy_adapter true",
    );
    assert!(difference(&trained, &untrained) > 1e-3);

    place.succeed(&format!(
        "export --ckpt_path {kept} --output merged --merge-lora"
    ));
    place.succeed(&format!(
        "export --ckpt_path {kept} --output adapter --peft"
    ));
    assert!(!place.path("merged/adapter_config.json").exists());
    assert!(!place.path("adapter/model.safetensors").exists());
    for model in [
        "--ckpt_path merged",
        "--ckpt_path adapter",
        "--model SequenceClassification --model.use_legacy_adapter true --model.backbone ./merged",
        "--model SequenceClassification --model.use_legacy_adapter true --model.backbone ./adapter",
        "--model SequenceClassification --model.use_legacy_adapter true --model.backbone ./tiny --model.backbone.peft_path ./adapter",
    ] {
        let error = difference(&trained, &logits(&place, model));
        assert!(error < 1e-5, "{model}: {error}");
    }
}

#[test]
fn a_run_with_lora_goes_on_to_the_same_weights() {
    let place = Workplace::new();
    let whole = place.succeed(LORA);
    place.succeed(&format!(
        "{LORA} --trainer.max_epochs 1 --trainer.default_root_dir other"
    ));
    let resumed = place.succeed(&format!(
        "{LORA} --trainer.default_root_dir other --ckpt_path last"
    ));
    assert_eq!(resumed, whole);
    let adapter = |root: &str| {
        fs::read(place.path(&format!(
            "{}/adapter_model.safetensors",
            checkpoint(&place, root)
        )))
        .unwrap()
    };
    assert_eq!(adapter("logs"), adapter("other"));
}

#[test]
fn lora_on_a_frozen_backbone_is_trained_all_the_same() {
    let place = Workplace::new();
    place.succeed(&format!("{LORA} --model.backbone.frozen true"));
    let kept = checkpoint(&place, "logs");
    let bytes = fs::read(place.path(&format!("{kept}/adapter_model.safetensors"))).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let b: Vec<_> = tensors
        .iter()
        .filter(|(name, _)| name.ends_with("lora_B.weight"))
        .collect();
    assert!(!b.is_empty());
    assert!(
        b.iter()
            .all(|(_, tensor)| tensor.data().iter().any(|byte| *byte != 0))
    );
}

#[test]
fn a_frozen_backbone_is_left_out_of_checkpoints_unless_asked_for() {
    let place = Workplace::new();
    let frozen = "fit -c fit.yaml --model.use_legacy_adapter false --model.backbone.frozen true";
    place.succeed(frozen);
    let kept = checkpoint(&place, "logs");
    let tensors = |kept: &str| {
        let bytes = fs::read(place.path(&format!("{kept}/model.safetensors"))).unwrap();
        safetensors::SafeTensors::deserialize(&bytes).unwrap().len()
    };
    assert_eq!(tensors(&kept), 2);
    place.succeed(&format!("test -c fit.yaml --ckpt_path {kept}"));
    place.succeed(&format!(
        "{frozen} --model.backbone.save_peft_only false --trainer.default_root_dir whole"
    ));
    assert!(tensors(&checkpoint(&place, "whole")) > 20);
    place.succeed(&format!("export --ckpt_path {kept} --output out"));
    assert!(tensors("out") > 20);
    // As a backbone it stands for the one that it stands on.
    let embed = "predict --model Embed --model.pooling mean_pooling --data SequencesDataModule --data.path unlabelled.csv";
    place.succeed(&format!("{embed} --model.backbone ./{kept} --output a.tsv"));
    place.succeed(&format!("{embed} --model.backbone ./tiny --output b.tsv"));
    assert_eq!(place.read("a.tsv"), place.read("b.tsv"));
}

#[test]
fn an_adapter_on_another_backbone_or_of_another_kind_is_refused() {
    let place = Workplace::new();
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/lora");
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        fs::create_dir_all(place.path("esm")).unwrap();
        fs::copy(
            golden.join("esm_tokens/adapter").join(file),
            place.path("esm").join(file),
        )
        .unwrap();
    }
    let refused = |place: &Workplace, expected: &str| {
        let said = place
            .run("fit -c fit.yaml --model.backbone.peft_path ./esm --model.backbone.use_peft true");
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(said.err.contains(expected), "{}", said.err);
        assert!(!place.path("logs").exists());
    };
    refused(&place, "belongs to another backbone");
    let config = place.read("esm/adapter_config.json");
    place.write(
        "esm/adapter_config.json",
        &config.replace("\"use_dora\": false", "\"use_dora\": true"),
    );
    refused(&place, "adapter_config.json: use_dora: not supported");
    place.write("esm/adapter_config.json", "{");
    refused(&place, "adapter_config.json:1:1");
    place.write("esm/adapter_config.json", &config);
    let weights = fs::read(place.path("esm/adapter_model.safetensors")).unwrap();
    fs::write(
        place.path("esm/adapter_model.safetensors"),
        &weights[..weights.len() / 2],
    )
    .unwrap();
    refused(&place, "adapter_model.safetensors");
}

#[test]
fn other_arguments_of_a_resumed_run_are_named() {
    let place = Workplace::new();
    place.succeed(LORA);
    let said = place.run(
        "fit -c fit.yaml --model.backbone.use_peft true --model.backbone.lora_r 8 --ckpt_path last",
    );
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("model.backbone.lora_r is 8, and was 4"),
        "{}",
        said.err
    );
}
