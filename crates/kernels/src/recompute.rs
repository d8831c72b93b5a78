//! Parts of the graph that are not kept: the backward pass computes them once more (Chen et al., arXiv 1604.06174).

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Dispatch, DispatchTensor};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::Kernels;

/// What `forward` makes of `input`, `[rows, columns]`, with the parameters of `module`, as one node of the graph that keeps its input alone:
/// the backward pass runs `forward` once more. It has to give the same then, and its parameters to be those of `module`; others get no
/// gradient. Without a graph it is `forward(module, input)`.
pub fn recomputed<M, F>(module: &M, input: Tensor<2>, forward: F) -> Tensor<2>
where
    M: Module + 'static,
    F: Fn(&M, Tensor<2>) -> Tensor<2> + Send + 'static,
{
    if !input.is_autodiff() {
        return forward(module, input);
    }
    let inner = input.clone().inner();
    let output = forward(&module.valid(), inner.clone());
    let output = if output.is_autodiff() {
        output.inner()
    } else {
        output
    };
    // A second parent. It wants a gradient where a parameter does, so that the node is kept even if the input wants none; and gradients
    // pass through it on their way between the graph's backend and the tensors of `forward`.
    let probe = Tensor::<2>::zeros([1, 1], &input.device());
    let probe = probe.set_require_grad(!trained(module).is_empty());
    let part = Part {
        module: module.clone(),
        input: inner,
        probe: probe.clone(),
        forward,
    };
    Tensor::from_dispatch(<Dispatch as Kernels>::recomputed(
        input.into_dispatch(),
        Tensor::<2>::from_inner(output).into_dispatch(),
        probe.into_dispatch(),
        Again(Arc::new(Mutex::new(part))),
    ))
}

/// What computes a part of the graph again.
#[derive(Clone)]
pub struct Again(Arc<Mutex<dyn Recompute + Send>>);

impl fmt::Debug for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("engraft_kernels::Again")
    }
}

/// A part of the graph of which the input is kept.
trait Recompute {
    /// Takes the output's gradient from under the probe, adds the parameters' gradients to `gradients` and puts the input's under the probe.
    fn backward(&self, gradients: &mut Gradients);
}

struct Part<M, F> {
    module: M,
    input: Tensor<2>,
    probe: Tensor<2>,
    forward: F,
}

impl<M, F> Recompute for Part<M, F>
where
    M: Module,
    F: Fn(&M, Tensor<2>) -> Tensor<2>,
{
    fn backward(&self, gradients: &mut Gradients) {
        let probe = self.probe.clone().into_dispatch();
        let Some(gradient) = Dispatch::grad_remove(&probe, gradients) else {
            return;
        };
        // A graph of its own: the one that is walked through just now cannot be added to.
        let module = self.module.clone().map(&mut Leaves);
        let input = Tensor::from_inner(self.input.clone()).require_grad();
        let output = (self.forward)(&module, input.clone());
        let weighted = output * Tensor::from_inner(Tensor::from_dispatch(gradient));
        let own = Dispatch::backward(weighted.sum().into_dispatch());
        for (parameter, leaf) in trained(&self.module).iter().zip(&trained(&module)) {
            let Some(mut gradient) = Dispatch::grad(leaf, &own) else {
                continue;
            };
            if let Some(earlier) = Dispatch::grad(parameter, gradients) {
                gradient = Dispatch::float_add(earlier, gradient);
            }
            Dispatch::grad_replace(parameter, gradients, gradient);
        }
        if let Some(gradient) = Dispatch::grad(&input.into_dispatch(), &own) {
            Dispatch::grad_replace(&probe, gradients, gradient);
        }
    }
}

/// Parameters as leaves of another graph.
struct Leaves;

impl ModuleMapper for Leaves {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let is_trained = param.is_require_grad();
        let leaf = Tensor::from_inner(param.val().inner());
        Param::initialized(param.id, leaf).set_require_grad(is_trained)
    }
}

/// The parameters that want a gradient, in the order of fields.
fn trained(module: &impl Module) -> Vec<DispatchTensor> {
    struct Collector(Vec<DispatchTensor>);
    impl ModuleVisitor for Collector {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                self.0.push(param.val().into_dispatch());
            }
        }
    }
    let mut collector = Collector(Vec::new());
    module.visit(&mut collector);
    collector.0
}

struct Node<B>(PhantomData<B>);

impl<B> fmt::Debug for Node<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("engraft_kernels::recompute::Node")
    }
}

impl<B: Kernels> Backward<B, 2> for Node<B> {
    type State = (FloatTensor<Autodiff<B>>, Again);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (probe, Again(part)) = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        gradients.register::<B>(probe.id(), gradient);
        let part = part.lock().unwrap_or_else(PoisonError::into_inner);
        part.backward(gradients);
        let [input, _] = ops.parents;
        if let (Some(gradient), Some(input)) = (gradients.remove::<B>(&probe), input) {
            gradients.register::<B>(input.id, gradient);
        }
    }
}

/// Puts `output` into the graph as a child of `input` and `probe`.
pub(crate) fn record<B: Kernels, C: CheckpointStrategy>(
    input: FloatTensor<Autodiff<B>>,
    output: FloatTensor<Autodiff<B>>,
    probe: FloatTensor<Autodiff<B>>,
    again: Again,
) -> FloatTensor<Autodiff<B, C>> {
    let parents = [input.node(), probe.node()];
    let output = output.into_primitive();
    let node = Node::<B>(PhantomData);
    match node.prepare::<C>(parents).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((probe, again), output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::linear;

    #[derive(Module, Debug)]
    struct Two {
        first: Param<Tensor<2>>,
        second: Param<Tensor<2>>,
    }

    fn tensor(values: &[f32], shape: [usize; 2], device: &Device) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
    }

    fn two(device: &Device) -> Two {
        let param = |values: &[f32]| Param::from_tensor(tensor(values, [2, 2], device));
        Two {
            first: param(&[0.3, -0.7, 1.1, 0.2]),
            second: param(&[0.9, 0.4, -0.5, 0.8]),
        }
    }

    fn forward(two: &Two, input: Tensor<2>) -> Tensor<2> {
        let inner = linear(input, two.first.val(), None).tanh();
        linear(inner, two.second.val(), None)
    }

    fn values<const D: usize>(tensor: Option<Tensor<D>>) -> Option<Vec<f32>> {
        tensor.map(|tensor| tensor.into_data().iter::<f32>().collect())
    }

    /// The output, and the gradients of input and parameters, of the module applied twice.
    fn run(tracks_input: bool, frozen: bool, again: bool) -> Vec<Option<Vec<f32>>> {
        let device = Device::flex().autodiff();
        let mut module = two(&device);
        if frozen {
            module.first = module.first.set_require_grad(false);
        }
        let mut input = tensor(&[0.5, -1.5, 2.0, 0.25, 1.0, -0.75], [3, 2], &device);
        if tracks_input {
            input = input.require_grad();
        }
        let pass = |input| {
            if again {
                recomputed(&module, input, forward)
            } else {
                forward(&module, input)
            }
        };
        let output = pass(pass(input.clone()));
        let gradients = output.clone().powi_scalar(2).sum().backward();
        vec![
            values(Some(output.inner())),
            tracks_input
                .then(|| values(input.grad(&gradients)))
                .flatten(),
            values(module.first.val().grad(&gradients)),
            values(module.second.val().grad(&gradients)),
        ]
    }

    #[test]
    fn what_is_computed_again_has_the_same_gradients_to_the_bit() {
        for tracks_input in [true, false] {
            for frozen in [true, false] {
                let kept = run(tracks_input, frozen, false);
                assert_eq!(kept[2].is_none(), frozen);
                assert!(kept[3].is_some());
                assert_eq!(run(tracks_input, frozen, true), kept);
            }
        }
    }
}
