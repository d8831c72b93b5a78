//! Putting a checkpoint's tensors in the place of a module's fresh ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use burn::module::{ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use engraft_hub::{LoadReport, Mismatch, TensorRef, Weights};

use crate::error::{Error, Result};
use crate::names::{EXPERT, Names, ParameterPath, of_expert};
use crate::peft::{BASE_LAYER, PeftFolder};
use crate::tied::Twin;

/// A file of tensors, and how their names differ from a family's.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) weights: Arc<Weights>,
    /// What all names begin with.
    pub(crate) begins: &'static str,
    /// Whether the encoder's names carry the family's prefix after that.
    pub(crate) prefixed: bool,
}

impl Source {
    /// Finds out whether the names carry `prefix`.
    pub(crate) fn new(weights: Arc<Weights>, begins: &'static str, prefix: &str) -> Self {
        let prefixed = weights.names().any(|name| {
            name.strip_prefix(begins)
                .is_some_and(|name| name.starts_with(prefix))
        });
        Self {
            weights,
            begins,
            prefixed,
        }
    }

    /// The names that the parameter at `path` may have in this file, best first.
    fn candidates(&self, names: &Names, path: &str) -> Vec<String> {
        let names = names.for_reading(path, self.prefixed).into_iter();
        let names = names.map(|name| format!("{}{name}", self.begins));
        if self.begins.is_empty() {
            return names.collect();
        }
        // An adapter may hold the weight that it has an update of.
        let with_its_base = |name: String| match name.strip_suffix(".weight") {
            Some(module) => vec![format!("{module}{BASE_LAYER}.weight"), name.clone()],
            None => vec![name],
        };
        names.flat_map(with_its_base).collect()
    }

    /// The parameter at `path`, if it is stored.
    pub(crate) fn get(&self, names: &Names, path: &str) -> Option<TensorRef<'_>> {
        let candidates = self.candidates(names, path);
        candidates.iter().find_map(|name| self.weights.get(name))
    }
}

/// Walks a module and replaces each parameter by the first source's that has it.
pub(crate) struct Loader<'a> {
    sources: &'a [Source],
    names: Names,
    device: Device,
    /// An adapter whose updates of heads are added to their weights.
    adapter: Option<&'a PeftFolder>,
    /// Where the parameter that is tied to another lies if it is not stored itself.
    twin: Option<Twin>,
    path: ParameterPath,
    pub(crate) report: LoadReport,
    /// How many parameters are the values of another's.
    pub(crate) borrowed: usize,
    pub(crate) used: BTreeSet<String>,
    pub(crate) error: Option<Error>,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(
        sources: &'a [Source],
        names: Names,
        device: Device,
        adapter: Option<&'a PeftFolder>,
        twin: Option<Twin>,
    ) -> Self {
        Self {
            sources,
            names,
            device,
            adapter,
            twin,
            path: ParameterPath::default(),
            report: LoadReport::default(),
            borrowed: 0,
            used: BTreeSet::new(),
            error: None,
        }
    }

    /// The values for a parameter of `shape`, if a source has them.
    fn read(&mut self, shape: &[usize]) -> Result<Option<Vec<f32>>> {
        let path = self.path.joined();
        let sources = self.sources;
        let mut wanted = None;
        for source in sources {
            let candidates = source.candidates(&self.names, &path);
            if let Some(values) = self.read_experts(source, &candidates, shape)? {
                return Ok(values);
            }
            let Some(tensor) = candidates.iter().find_map(|name| source.weights.get(name)) else {
                wanted = candidates.into_iter().next().or(wanted);
                continue;
            };
            for name in &candidates {
                // A second name of the same tensor counts as read; other values under it do not.
                if let Some(other) = source.weights.get(name)
                    && other.equals(&tensor)?
                {
                    self.used.insert(name.clone());
                }
            }
            let values = self.converted(&tensor, &path, shape)?;
            self.report.loaded += usize::from(values.is_some());
            return Ok(values);
        }
        if let Some(tensor) = self.twin_of(&path) {
            self.used.insert(tensor.name().to_owned());
            let values = self.converted(&tensor, &path, shape)?;
            self.borrowed += usize::from(values.is_some());
            return Ok(values);
        }
        self.report.missing_optional.push(wanted.unwrap_or(path));
        Ok(None)
    }

    /// The tensor that the parameter at `path` is tied to, in the last source, which is the model's own.
    fn twin_of(&self, path: &str) -> Option<TensorRef<'a>> {
        let twin = self.twin.as_ref().filter(|twin| twin.of == path)?;
        self.sources.last()?.get(&twin.names, twin.path)
    }

    /// A tensor's values in the layout of the parameter at `path`, an adapter's update of it included, if it has its shape.
    fn converted(
        &mut self,
        tensor: &TensorRef<'_>,
        path: &str,
        shape: &[usize],
    ) -> Result<Option<Vec<f32>>> {
        let transposed = self.names.is_transposed(path, shape);
        let mut stored_shape = shape.to_vec();
        if transposed {
            stored_shape.reverse();
        }
        let Some(mut values) = self.values(tensor, &stored_shape)? else {
            return Ok(None);
        };
        if let (true, [rows, columns]) = (transposed, stored_shape.as_slice()) {
            values = exchanged(&values, [*rows, *columns]);
        }
        if let (Some(adapter), [output, input]) = (self.adapter, shape) {
            let names = [true, false].map(|prefixed| self.names.of(path, prefixed));
            for module in names.into_iter().flatten().collect::<BTreeSet<_>>() {
                let module = module.strip_suffix(".weight").unwrap_or(&module);
                adapter.add_update(module, [*output, *input], &mut values)?;
            }
        }
        Ok(Some(values))
    }

    /// A tensor's values, if it has this shape.
    fn values(&mut self, tensor: &TensorRef<'_>, shape: &[usize]) -> Result<Option<Vec<f32>>> {
        if tensor.shape() != shape {
            self.report.mismatched.push(Mismatch {
                name: tensor.name().to_owned(),
                expected: shape.to_vec(),
                found: tensor.shape().to_vec(),
            });
            return Ok(None);
        }
        let values = tensor.to_f32()?;
        if !values.iter().all(|value| value.is_finite()) {
            return Err(Error::NotFinite {
                file: tensor.file().to_owned(),
                tensor: tensor.name().to_owned(),
                count: tensor.non_finite(),
            });
        }
        Ok(Some(values))
    }

    /// The values of a parameter that is stored expert by expert, if this source has it: none inside if a part is missing or has another
    /// shape.
    fn read_experts(
        &mut self,
        source: &Source,
        candidates: &[String],
        shape: &[usize],
    ) -> Result<Option<Option<Vec<f32>>>> {
        let stored = |pattern: &&String| {
            let names = of_expert(pattern, 0);
            pattern.contains(EXPERT) && names.iter().any(|name| source.weights.get(name).is_some())
        };
        let pattern = candidates.iter().find(stored);
        let (Some(pattern), &[experts, rows, ref columns @ ..]) = (pattern, shape) else {
            return Ok(None);
        };
        let parts = of_expert(pattern, 0).len();
        let shape = [&[rows / parts][..], columns].concat();
        let mut all = Vec::with_capacity(experts * shape.iter().product::<usize>() * parts);
        for name in (0..experts).flat_map(|expert| of_expert(pattern, expert)) {
            let Some(tensor) = source.weights.get(&name) else {
                self.report.missing_required.push(name);
                return Ok(Some(None));
            };
            let Some(values) = self.values(&tensor, &shape)? else {
                return Ok(Some(None));
            };
            all.extend(values);
            self.used.insert(name);
            self.report.loaded += 1;
        }
        Ok(Some(Some(all)))
    }
}

/// A matrix `[rows, columns]` with its dimensions exchanged.
pub(crate) fn exchanged(values: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let mut exchanged = vec![0.0; values.len()];
    for (row, values) in values.chunks(columns.max(1)).enumerate() {
        for (column, &value) in values.iter().enumerate() {
            exchanged[column * rows + row] = value;
        }
    }
    exchanged
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.leave(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.error.is_some() {
            return param;
        }
        let shape = param.lazy_shape();
        match self.read(&shape) {
            Ok(Some(values)) => {
                let tensor = Tensor::from_data(TensorData::new(values, shape), &self.device);
                Param::initialized(param.id, tensor).set_require_grad(true)
            }
            Ok(None) => param,
            Err(error) => {
                self.error = Some(error);
                param
            }
        }
    }
}
