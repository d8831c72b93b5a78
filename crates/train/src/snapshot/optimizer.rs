//! What is kept of each trained parameter, in a file of tensors named `part.path`; its notes tell the steps that each has taken.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData as Values};
use engraft_component::Choice;
use engraft_hub::{TensorData, TensorToWrite, Weights, write_safetensors};

use super::FOLDER;
use crate::error::{Error, Result};
use crate::optimizer::{Optimizer, OptimizerState, ParameterState};

/// The file in a checkpoint's folder.
pub(super) const FILE: &str = "optimizer.safetensors";

/// What begins the note of a parameter's steps.
const STEP: &str = "step.";

/// Writes the state into the folder `training`.
pub(super) fn write(training: &Path, state: &OptimizerState) -> Result<()> {
    let tensors = state.parameters.iter().flat_map(|(path, parameter)| {
        parameter.parts.iter().map(move |(part, tensor)| {
            let values: Vec<f32> = tensor.clone().into_data().iter::<f32>().collect();
            TensorToWrite {
                name: Cow::Owned(format!("{part}.{path}")),
                shape: vec![values.len()],
                data: TensorData::F32(Cow::Owned(values)),
            }
        })
    });
    let steps = state.parameters.iter();
    let notes: BTreeMap<String, String> = steps
        .map(|(path, parameter)| (format!("{STEP}{path}"), parameter.step.to_string()))
        .collect();
    write_safetensors(&training.join(FILE), tensors, &notes)?;
    Ok(())
}

/// Reads what `optimizer` keeps of every parameter of `trained`, given with its shape.
///
/// # Errors
/// The file is missing or damaged, or what is kept of a parameter is missing, of another size or more than the optimizer keeps.
pub(crate) fn read_optimizer(
    checkpoint: &Path,
    optimizer: &Optimizer,
    trained: &[(String, Vec<usize>)],
    device: &Device,
) -> Result<OptimizerState> {
    const REMEDY: &str = "model.reset_optimizer_states: true starts the optimizer anew";
    let file = checkpoint.join(FOLDER).join(FILE);
    if !file.exists() {
        return Err(Error::checkpoint(
            checkpoint,
            "holds weights only (save_weights_only): training cannot be resumed from it",
        ));
    }
    let weights = Weights::open_file(&file)?;
    let mut state = OptimizerState::default();
    if !weights.notes().keys().any(|note| note.starts_with(STEP)) {
        // No step was taken yet.
        return match weights.len() {
            0 => Ok(state),
            _ => Err(Error::checkpoint(
                checkpoint,
                format!("the optimizer's steps are missing; {REMEDY}"),
            )),
        };
    }
    // Every trained parameter has a state once a step was taken, and every stored state belongs to a parameter.
    for (path, shape) in trained {
        let step = weights.notes().get(&format!("{STEP}{path}"));
        let step = step.and_then(|step| step.parse().ok()).ok_or_else(|| {
            let problem = format!("the optimizer's state of {path} is missing; {REMEDY}");
            Error::checkpoint(checkpoint, problem)
        })?;
        let mut parameter = ParameterState {
            step,
            ..ParameterState::default()
        };
        for (part, count) in optimizer.parts(shape) {
            let tensor = weights.get(&format!("{part}.{path}")).ok_or_else(|| {
                let problem = format!(
                    "the optimizer's state of {path} lacks \"{part}\", which {} keeps as it is set now; {REMEDY}",
                    optimizer.name()
                );
                Error::checkpoint(checkpoint, problem)
            })?;
            let values = tensor.to_f32()?;
            if values.len() != count {
                let problem = format!(
                    "the optimizer's state of {path} has {} elements, not {count}; {REMEDY}",
                    values.len()
                );
                return Err(Error::checkpoint(checkpoint, problem));
            }
            let tensor = Tensor::from_data(Values::new(values, [count]), device);
            parameter.parts.insert(part, tensor);
        }
        state.parameters.insert(path.clone(), parameter);
    }
    let noted = weights.notes().keys();
    if noted.filter(|note| note.starts_with(STEP)).count() != trained.len() {
        return Err(Error::checkpoint(
            checkpoint,
            format!(
                "the optimizer has states of parameters that are not trained here: it is the checkpoint of another model; {REMEDY}"
            ),
        ));
    }
    let read: usize = state.parameters.values().map(|it| it.parts.len()).sum();
    if weights.len() != read {
        return Err(Error::checkpoint(
            checkpoint,
            format!(
                "the optimizer's states hold more than {} keeps as it is set now; {REMEDY}",
                optimizer.name()
            ),
        ));
    }
    Ok(state)
}
