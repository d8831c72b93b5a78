//! What users bring along from other programs, each answered by what it is and what to do: their models, options and names.

use crate::Workplace;

/// Folders and files of models in the forms of other programs.
fn models() -> Workplace {
    let place = Workplace::empty();
    let write = |name: &str, text: &str| {
        let path = place.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "keras/config.json",
        r#"{"module": "keras_hub.src.models.vit.vit_backbone", "class_name": "ViTBackbone", "config": {}, "registered_name": "keras_hub>ViTBackbone"}"#,
    );
    write("keras/model.weights.h5", "");
    write("gguf/model-q4_k_m.gguf", "GGUF");
    write("model.gguf", "GGUF");
    write("flax/flax_model.msgpack", "");
    write("onnx/model.onnx", "");
    write("weights.safetensors", "");
    write("lightning.ckpt", "");
    write("model.tar.gz", "");
    let llama = |more: &str| {
        format!(
            r#"{{"model_type": "llama", "vocab_size": 8, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
                "intermediate_size": 8, "max_position_embeddings": 16, "rms_norm_eps": 1e-6{more}}}"#
        )
    };
    for method in ["gptq", "awq", "bitsandbytes", "fp8"] {
        let stated =
            format!(r#", "quantization_config": {{"quant_method": "{method}", "bits": 4}}"#);
        write(&format!("{method}/config.json"), &llama(&stated));
        // A file without tensors.
        write(
            &format!("{method}/model.safetensors"),
            "\u{2}\0\0\0\0\0\0\0{}",
        );
    }
    write("old-gptq/config.json", &llama(""));
    write("old-gptq/quantize_config.json", "{}");
    write("tensorflow/config.json", &llama(""));
    write("tensorflow/tf_model.h5", "");
    place
}

#[test]
fn what_users_know_from_elsewhere_is_answered_by_what_it_is() {
    let place = models();
    let presets = [
        "./keras",
        "kaggle://keras/bert/keras/bert_base_en",
        "./gguf",
        "model.gguf",
        "./flax",
        "./onnx",
        "./tensorflow",
        "./gptq",
        "./old-gptq",
        "./awq",
        "./bitsandbytes",
        "./fp8",
        "weights.safetensors",
        "lightning.ckpt",
        "model.tar.gz",
        "https://huggingface.co/org/name/tree/main",
    ];
    let presets = presets.map(|name| format!("generate {name} --prompt a"));
    let keys = [
        "--model.backbone.load_in_4bit true",
        "--model.load_in_8bit true",
        "--trainer.gradient_checkpointing true",
        "--model.backbone.gradient_checkpointing true",
        "--dtype bfloat16",
        "--model.backbone.torch_dtype float16",
        "--trainer.bf16 true",
        "--model.backbone.device_map auto",
        "--model.backbone.attn_implementation sdpa",
        "--model.backbone.trust_remote_code true",
        "--learning_rate 1e-4",
        "--model.learning_rate 1e-4",
        "--trainer.learning_rate 1e-4",
        "--model.optimizer.learning_rate 1e-4",
        "--trainer.num_train_epochs 3",
        "--model.num_train_epochs 3",
        "--trainer.per_device_train_batch_size 8",
        "--model.max_grad_norm 1.0",
        "--num_beams 4",
        "--epochs 3",
        "--resume last",
        "--output_dir out",
        "--max_length 128",
        "--trainer.push_to_hub true",
    ];
    let fit = "fit --model SequenceClassification --model.backbone sapiens_vh --data SequenceClassificationDataModule --data.path a.tsv";
    let keys = keys.map(|key| format!("{fit} {key}"));
    let classes = [
        "Seq2SeqLM",
        "AutoModelForSeq2SeqLM",
        "transformers.AutoModelForSequenceClassification",
        "TextClassifier",
        "MaskedLM",
        "AutoModelForCausalLM",
    ];
    let classes = classes.map(|name| format!("fit --model {name} --model.backbone sapiens_vh"));
    let options = [
        "--num-beam-groups 4",
        "--diversity_penalty 4",
        "--beam-size 4",
        "--do_sample true",
        "--n 2",
        "--prompt-lookup-num-tokens 6",
        "--assistant-model small",
        "--load-in-4bit",
        "--device cuda",
        "--system x",
        "--model gpt2",
    ];
    let options = options.map(|option| format!("generate ./gpt2 --prompt a {option}"));
    let commands = ["train", "evaluate", "embed", "merge", "chat"].map(str::to_owned);
    let asked: Vec<String> = [
        presets.as_slice(),
        keys.as_slice(),
        classes.as_slice(),
        options.as_slice(),
        commands.as_slice(),
    ]
    .concat();
    let answers: Vec<String> = asked
        .iter()
        .map(|words| {
            let said = place.run(words);
            assert_eq!(said.code, Some(2), "{words}: {said:?}");
            let error = said.err.lines().find(|line| line.starts_with("error: "));
            let error = error.unwrap_or_else(|| panic!("{words}: {said:?}"));
            assert!(
                ["There are", "takes:", "It takes"]
                    .iter()
                    .all(|list| !error.contains(list)),
                "{words} is answered by a list: {error}"
            );
            format!("{}\n    {error}\n", words.replace(fit, "fit ..."))
        })
        .collect();
    insta::assert_snapshot!("elsewhere", answers.join("\n"));
}
