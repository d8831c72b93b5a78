//! The operations against reference libraries, on the cases of `tests/golden/kernels`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use engraft_kernels::{Disentangled, LogBuckets, Segments, disentangled_attention};

/// The matrices of a case, by name.
fn open(name: &str) -> BTreeMap<String, Tensor<2>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/kernels");
    let text = std::fs::read_to_string(folder.join(name).with_extension("tsv")).unwrap();
    text.lines()
        .map(|line| {
            let mut fields = line.split('\t');
            let name = fields.next().unwrap().to_owned();
            let [rows, columns] =
                [(); 2].map(|()| fields.next().unwrap().parse::<usize>().unwrap());
            let values: Vec<f32> = fields.map(|value| value.parse().unwrap()).collect();
            let data = TensorData::new(values, [rows, columns]);
            (name, Tensor::from_data(data, &Device::flex()))
        })
        .collect()
}

#[track_caller]
fn close(name: &str, ours: Tensor<2>, reference: &Tensor<2>) {
    let error: f32 = (ours - reference.clone()).abs().max().into_scalar();
    assert!(error < 2e-5, "{name}: {error}");
}

#[test]
fn disentangled_attention_and_its_gradients_are_those_of_deberta() {
    let buckets = |count, max_distance| {
        Some(LogBuckets {
            count,
            max_distance,
        })
    };
    for (name, span, buckets, terms) in [
        ("buckets", 8, buckets(8, 16), 2),
        ("plain", 6, None, 2),
        ("c2p", 6, None, 1),
        ("p2c", 4, buckets(4, 12), 1),
    ] {
        let case = open(&format!("disentangled_{name}"));
        let leaf = |name: &str| {
            let tensor = case.get(name)?;
            Some(tensor.clone().autodiff().require_grad())
        };
        let names = ["query", "key", "value", "pos_key", "pos_query"];
        let leaves = names.map(leaf);
        let [query, key, value, position_key, position_query] = leaves.clone();
        let output = disentangled_attention(
            query.unwrap(),
            key.unwrap(),
            value.unwrap(),
            position_key,
            position_query,
            Disentangled {
                segments: Segments::from_lengths([5, 1, 23]),
                heads: 2,
                scale: 1.0 / (3.0 * (1 + terms) as f32).sqrt(),
                span,
                buckets,
                dropout: None,
            },
        );
        close(name, output.clone().inner(), &case["output"]);
        let grads = (output * case["weights"].clone().autodiff())
            .sum()
            .backward();
        let mut compared = 0;
        for (input, leaf) in names.iter().zip(leaves) {
            if let Some(leaf) = leaf {
                let reference = &case[&format!("to_{input}")];
                close(
                    &format!("{name} {input}"),
                    leaf.grad(&grads).unwrap(),
                    reference,
                );
                compared += 1;
            }
        }
        assert_eq!(compared, 3 + terms, "{name}");
    }
}
