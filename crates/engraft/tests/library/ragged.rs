//! A batch says of each row what the row says alone.

use std::path::Path;

use engraft::models::{
    Adapter, Compute, LinearMaxPoolAdapter, LinearMeanPoolAdapter, MLPPoolAdapter, MlpLayers,
    Pooling, TokenAdapter,
};
use engraft::tasks::{
    Backbone, BackboneSlot, Embed, EmbedPooling, Model, SequenceClassification, Task,
    TaskArguments, TokenClassification,
};
use proptest::prelude::*;

use crate::outputs;

/// A folder with a small BERT's shape and an alphabet of letters.
fn letters(folder: &Path) -> BackboneSlot {
    let config = "{\"model_type\": \"bert\", \"vocab_size\": 9, \"hidden_size\": 30, \"num_hidden_layers\": 2, \"num_attention_heads\": 3, \
                  \"intermediate_size\": 50, \"max_position_embeddings\": 302}";
    std::fs::write(folder.join("config.json"), config).unwrap();
    std::fs::write(
        folder.join("vocab.txt"),
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nA\nC\nG\nT\n",
    )
    .unwrap();
    let backbone = Backbone {
        from_scratch: true,
        ..Backbone::new(folder.to_str().unwrap())
    };
    BackboneSlot::Pretrained(backbone)
}

/// A task of each kind of pooling.
fn tasks(backbone: &BackboneSlot) -> Vec<Task> {
    let embed = |pooling| {
        Task::Embed(Embed {
            pooling: Some(pooling),
            normalize: Some(true),
            ..Embed::on(backbone.clone())
        })
    };
    let classify = |adapter: Adapter| {
        Task::SequenceClassification(SequenceClassification {
            adapter: Some(adapter),
            n_classes: Some(3),
            ..SequenceClassification::on(backbone.clone())
        })
    };
    vec![
        embed(EmbedPooling::None),
        embed(EmbedPooling::By(Pooling::Mean)),
        embed(EmbedPooling::By(Pooling::Max)),
        embed(EmbedPooling::By(Pooling::Cls)),
        classify(LinearMeanPoolAdapter {}.into()),
        classify(LinearMaxPoolAdapter {}.into()),
        classify(
            MLPPoolAdapter {
                layers: MlpLayers {
                    hidden_sizes: vec![7],
                    ..MlpLayers::default()
                },
                ..MLPPoolAdapter::default()
            }
            .into(),
        ),
        Task::SequenceClassification(SequenceClassification {
            use_legacy_adapter: true,
            n_classes: Some(2),
            ..SequenceClassification::on(backbone.clone())
        }),
    ]
}

/// A folder with a small shape of each family that attends in a way of its own.
fn other_families(folder: &Path) -> Vec<BackboneSlot> {
    let shapes = [
        (
            "esm",
            "\"position_embedding_type\": \"rotary\", \"token_dropout\": true, \"mask_token_id\": 4, \"hidden_size\": 24, \"num_attention_heads\": 3",
        ),
        (
            "modernbert",
            "\"local_attention\": 8, \"hidden_size\": 24, \"num_attention_heads\": 3",
        ),
        (
            "deberta-v2",
            "\"relative_attention\": true, \"position_buckets\": 8, \"pos_att_type\": [\"p2c\", \"c2p\"], \"share_att_key\": true, \
          \"norm_rel_ebd\": \"layer_norm\", \"position_biased_input\": false, \"conv_kernel_size\": 3, \"hidden_size\": 24, \"num_attention_heads\": 3",
        ),
        ("rnabert", "\"hidden_size\": 24, \"num_attention_heads\": 3"),
        (
            "fm4bio",
            "\"hidden_size\": 24, \"num_attention_heads\": 3, \"moe\": true, \"num_experts\": 3, \"experts_per_token\": 2",
        ),
        (
            "albert",
            "\"embedding_size\": 10, \"max_position_embeddings\": 302, \"hidden_size\": 24, \"num_attention_heads\": 3",
        ),
    ];
    let make = |(family, shape): &(&str, &str)| {
        let place = folder.join(family);
        std::fs::create_dir_all(&place).unwrap();
        let config = format!(
            "{{\"model_type\": \"{family}\", \"vocab_size\": 9, \"num_hidden_layers\": 3, \"intermediate_size\": 40, {shape}}}"
        );
        std::fs::write(place.join("config.json"), config).unwrap();
        std::fs::copy(folder.join("vocab.txt"), place.join("vocab.txt")).unwrap();
        BackboneSlot::Pretrained(Backbone {
            from_scratch: true,
            ..Backbone::new(place.to_str().unwrap())
        })
    };
    shapes.iter().map(make).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_batch_equals_its_rows_one_by_one(lengths in prop::collection::vec(0usize..=300, 1..6), seed in 0u64..1000) {
        let folder = tempfile::tempdir().unwrap();
        let backbone = letters(folder.path());
        let letter = |i: usize, row: usize| b"ACGT"[(i * i + 3 * row + i * row + seed as usize) % 4] as char;
        // The empty text is always among them.
        let lengths = lengths.into_iter().chain([0]).enumerate();
        let texts: Vec<String> = lengths.map(|(row, length)| (0..length).map(|i| letter(i, row)).collect()).collect();
        let others = other_families(folder.path()).into_iter().map(|backbone| {
            Task::TokenClassification(TokenClassification {
                adapter: TokenAdapter::default(),
                n_classes: Some(3),
                weighted_loss: false,
                use_legacy_adapter: false,
                backbone,
            })
        });
        for task in tasks(&backbone).into_iter().chain(others) {
            let model = Model::build(&task, None, &Compute::cpu(), seed).unwrap();
            let together = outputs(&model, &texts);
            for (text, row) in texts.iter().zip(&together) {
                let alone = outputs(&model, std::slice::from_ref(text));
                prop_assert_eq!(&alone[0].shape, &row.shape);
                for (alone, row) in alone[0].values.iter().zip(&row.values) {
                    prop_assert!((alone - row).abs() < 1e-5, "{} against {}", alone, row);
                }
            }
        }
    }
}
