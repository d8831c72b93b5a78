//! The loss and the scores of scaled numbers, on a small encoder.

use burn::tensor::{Tensor, TensorData};
use engraft_data::Examples;
use engraft_models::{Compute, LinearMeanPoolAdapter, Mode, ResNet1DAdapter};

use super::*;
use crate::backbone::Backbone;
use crate::building::TrainingRows;
use crate::rows::{Draws, EncodedRow};
use crate::spec::Model;
use crate::split::Pass;

const LOADS: [f64; 4] = [1.5, 4.0, 0.5, 9.0];

/// The mean of the loads, and their population variance.
const MEAN: f64 = 3.75;
const VARIANCE: f64 = 10.8125;

fn rows() -> Examples {
    let rows = LOADS.map(|load| vec![load]).to_vec();
    let examples = Examples::from_texts(["ACGT", "GG", "TTTAC", "CATGA"]);
    examples.with_numbers(["load"], rows).unwrap()
}

fn model(adapter: Adapter) -> Model {
    let backbone = Backbone::new("aido_dna_debug").into();
    let task = SequenceRegressionWithScaling {
        adapter,
        ..SequenceRegressionWithScaling::on(backbone)
    };
    let rows = rows();
    let train = Some(TrainingRows::new(&rows));
    Model::build(&task.into(), train, &Compute::cpu(), 1).unwrap()
}

/// A pass over all rows, which are one batch.
fn pass(model: &Model) -> Box<dyn Pass> {
    let split = model.spec.bind(Arc::new(rows()), None).unwrap();
    let mut pass = split.pass(vec![vec![0, 1, 2, 3]], Draws::Fixed);
    pass.advance().unwrap().unwrap();
    pass
}

fn values(tensor: Tensor<2>) -> Vec<f64> {
    let values: Vec<f32> = tensor.into_data().iter::<f32>().collect();
    values.into_iter().map(f64::from).collect()
}

#[test]
fn the_loss_is_the_squared_error_of_numbers_scaled_by_the_training_rows() {
    let model = model(ResNet1DAdapter::default().into());
    let learned = model.spec.objective().learned();
    assert_eq!(learned.means.unwrap(), [MEAN]);
    assert!((learned.deviations.unwrap()[0] - VARIANCE.sqrt()).abs() < 1e-12);
    let loss = pass(&model)
        .loss(&model.network, Mode::Evaluate)
        .unwrap()
        .unwrap();
    let outputs = values(loss.outputs).into_iter().zip(LOADS);
    let scaled = outputs.map(|(output, load)| (output, (load - MEAN) / VARIANCE.sqrt()));
    let expected: f64 = scaled.map(|(output, load)| (output - load).powi(2)).sum();
    let found: f32 = loss.sum.into_scalar();
    let found = f64::from(found);
    assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
    assert_eq!(loss.weight, 4.0);
}

#[test]
fn scores_are_of_numbers_in_the_units_of_the_data_and_none_is_below_zero() {
    let model = model(LinearMeanPoolAdapter {}.into());
    let mut pass = pass(&model);
    let outputs = TensorData::new(vec![-10f32, 0.0, 1.0, 2.0], [4, 1]);
    let outputs = Tensor::<2>::from_data(outputs, &model.network.device());
    pass.score(outputs, &mut ()).unwrap();
    let predicted = [
        0.0,
        MEAN,
        MEAN + VARIANCE.sqrt(),
        MEAN + 2.0 * VARIANCE.sqrt(),
    ];
    let errors = predicted
        .into_iter()
        .zip(LOADS)
        .map(|(one, other)| one - other);
    let errors: Vec<f64> = errors.collect();
    let scores = pass.take_scores().all;
    let score = |name: &str| scores.iter().find(|it| it.0 == name).unwrap().1;
    let mae = errors.iter().map(|error| error.abs()).sum::<f64>() / 4.0;
    let mse = errors.iter().map(|error| error.powi(2)).sum::<f64>() / 4.0;
    assert!((score("mae") - mae).abs() < 1e-5);
    assert!((score("mse") - mse).abs() < 1e-4);
}

#[test]
fn special_tokens_are_left_out_unless_there_is_no_other() {
    let model = model(LinearMeanPoolAdapter {}.into());
    let encoder = model.spec.row_encoder();
    let examples = Examples::from_texts(["ACG", ""]);
    let encoded = encoder.encode(&examples, &[0, 1], None).unwrap();
    let own: Vec<Vec<usize>> = encoded.iter().map(EncodedRow::own_tokens).collect();
    assert_eq!(own, [vec![1, 2, 3], vec![0, 1]]);
    let outputs = model.spec.objective().predict(&model.network, encoded);
    assert!(outputs.iter().all(|output| output.values.len() == 1));
}
