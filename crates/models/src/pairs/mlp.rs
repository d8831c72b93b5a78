//! A perceptron on both hidden states of every pair.

use std::ops::Range;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use engraft_kernels::{Segments, linear};

use super::gradients::{add, leaf, told};
use super::{PairTargets, mirrored, shares};
use crate::adapters::MlpLayers;
use crate::config::Activation;
use crate::head::{Head, HeadInput};
use crate::initial::Initial;
use crate::layers::Linear;
use crate::mode::Mode;

/// Numbers of a layer that a tile holds, about: 8 MiB of them.
const TILE: usize = 1 << 21;

/// A perceptron on both hidden states of every pair, with its parameters.
#[derive(Module, Debug)]
pub struct PairMlp {
    /// The linear layers, first to last. The first is `[width, 2 hidden]`: columns 0, 2, ... meet the earlier letter's hidden state, columns
    /// 1, 3, ... the later one's.
    pub layers: Vec<Linear>,
    #[module(skip)]
    activation: Option<Activation>,
    /// Before the first layer, and after each other but the last.
    #[module(skip)]
    dropout: [f64; 2],
}

/// The weight and bias of a layer.
#[derive(Clone)]
struct Dense {
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
}

impl Dense {
    fn of(layer: &Linear) -> Self {
        Self {
            weight: layer.weight.val(),
            bias: layer.bias.as_ref().map(Param::val),
        }
    }

    fn leaf(&self) -> Self {
        Self {
            weight: leaf(self.weight.clone()),
            bias: self.bias.clone().map(leaf),
        }
    }

    fn inner(&self) -> Self {
        Self {
            weight: self.weight.clone().inner(),
            bias: self.bias.clone().map(Tensor::inner),
        }
    }

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        linear(input, self.weight.clone(), self.bias.clone())
    }
}

/// What the plane of a batch is made from.
struct Sides {
    /// What each letter gives as the earlier of a pair, and as the later one, `[letters, width]`: its share of the first layer's output, or, if
    /// pairs are dropped out before that layer, its hidden state.
    sides: [Tensor<2>; 2],
    /// Layers that pairs still pass.
    layers: Vec<Dense>,
    are_shares: bool,
}

/// A tile of a row's plane.
struct Tile {
    /// The row in the batch.
    row: usize,
    /// Where its letters begin in the batch.
    start: usize,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Tile {
    /// Of both sides, what the tile is made from.
    fn sides(&self, [first, second]: &[Tensor<2>; 2]) -> [Tensor<2>; 2] {
        let within = |side: &Tensor<2>, letters: &Range<usize>| {
            let letters = self.start + letters.start..self.start + letters.end;
            side.clone().slice(letters)
        };
        [within(first, &self.rows), within(second, &self.columns)]
    }
}

/// Gradients summed up over tiles.
struct Sums {
    /// Of the sides.
    sides: [Tensor<2>; 2],
    /// Of each layer's weight and bias.
    layers: Vec<(Option<Tensor<2>>, Option<Tensor<1>>)>,
}

impl PairMlp {
    /// With fresh weights. Without `mlp` it is one layer; `never_drops_first` says that nothing is dropped out before the first layer, which
    /// then always has a bias.
    pub(super) fn new(
        mlp: Option<&MlpLayers>,
        never_drops_first: bool,
        hidden: usize,
        initial: &Initial,
    ) -> Self {
        let middle = mlp.map_or(&[][..], |mlp| &mlp.hidden_sizes);
        let widths = std::iter::once(2 * hidden).chain(middle.iter().copied());
        let widths: Vec<usize> = widths.chain([1]).collect();
        let bias = mlp.is_none_or(|mlp| mlp.bias);
        let layers = widths.windows(2).zip(0..).map(|(pair, part)| {
            let bias = bias || (part == 0 && never_drops_first);
            Linear::uniform([pair[0], pair[1]], bias, &initial.at(part))
        });
        let rate = mlp.map_or(0.0, |mlp| mlp.dropout);
        let is_in_middle = mlp.is_some_and(|mlp| mlp.dropout_in_middle);
        Self {
            layers: layers.collect(),
            activation: mlp.map(|mlp| mlp.activation_layer.activation()),
            dropout: [
                if never_drops_first { 0.0 } else { rate },
                if is_in_middle { rate } else { 0.0 },
            ],
        }
    }

    /// What pairs are made from, of hidden states `[letters, hidden]`.
    fn sides(&self, hidden: Tensor<2>, mode: Mode) -> Sides {
        let is_dropped = self.dropout[0] > 0.0 && mode != Mode::Evaluate;
        match self.layers.split_first() {
            Some((first, rest)) if !is_dropped => Sides {
                sides: shares(first, hidden),
                layers: rest.iter().map(Dense::of).collect(),
                are_shares: true,
            },
            _ => Sides {
                sides: [hidden.clone(), hidden],
                layers: self.layers.iter().map(Dense::of).collect(),
                are_shares: false,
            },
        }
    }

    /// The tiles that cover the upper triangles of all rows, in order.
    fn tiles(&self, rows: &Segments, sides: &Sides) -> Vec<Tile> {
        let of_layer = |layer: &Dense| layer.weight.dims().into_iter().max().unwrap_or(1);
        let widest = sides.layers.iter().map(of_layer);
        let widest = widest.chain([sides.sides[0].dims()[1]]).max().unwrap_or(1);
        let mut tiles = Vec::new();
        for (row, range) in rows.iter().enumerate() {
            let length = range.len();
            let height = (TILE / (widest * length).max(1)).max(1);
            tiles.extend((0..length).step_by(height).map(|first| Tile {
                row,
                start: range.start,
                rows: first..length.min(first + height),
                columns: first..length,
            }));
        }
        tiles
    }

    /// The logits of all pairs of a tile, `[rows * columns, 1]`.
    fn tile(
        &self,
        [first, second]: [Tensor<2>; 2],
        layers: &[Dense],
        are_shares: bool,
        mode: Mode,
    ) -> Tensor<2> {
        let ([rows, width], [columns, _]) = (first.dims(), second.dims());
        let pairs = rows * columns;
        let mut layers = layers.iter();
        let mut states = if are_shares {
            let sum = first.reshape([rows, 1, width]) + second.reshape([1, columns, width]);
            sum.reshape([pairs, width])
        } else {
            let first = first.reshape([rows, 1, width, 1]);
            let second = second.reshape([1, columns, width, 1]);
            let both = [
                first.expand([rows, columns, width, 1]),
                second.expand([rows, columns, width, 1]),
            ];
            let both = Tensor::cat(both.to_vec(), 3).reshape([pairs, 2 * width]);
            let dropped = mode.at(0).dropout(both, self.dropout[0]);
            layers
                .next()
                .map_or(dropped.clone(), |it| it.forward(dropped))
        };
        for (layer, number) in layers.zip(1..) {
            if let Some(activation) = self.activation {
                states = activation.apply(states);
            }
            states = mode.at(number).dropout(states, self.dropout[1]);
            states = layer.forward(states);
        }
        states
    }

    /// The logits of each row's pairs, `[pairs of all rows, 1]`: each row's plane from left to right and from top to bottom.
    fn planes(rows: &Segments, tiles: &[Tile], logits: Vec<Tensor<2>>) -> Tensor<2> {
        let mut parts: Vec<Vec<Tensor<2>>> = vec![Vec::new(); rows.len()];
        for (tile, logits) in tiles.iter().zip(logits) {
            let (height, width) = (tile.rows.len(), tile.columns.len());
            let mut logits = logits.reshape([height, width]);
            if tile.columns.start > 0 {
                // What is left of the tile is below the diagonal.
                let left = Tensor::zeros([height, tile.columns.start], &logits.device());
                logits = Tensor::cat(vec![left, logits], 1);
            }
            parts[tile.row].push(logits);
        }
        let planes = parts.into_iter().zip(rows.lengths());
        let planes = planes.filter(|(parts, _)| !parts.is_empty());
        let planes = planes
            .map(|(parts, length)| mirrored(Tensor::cat(parts, 0)).reshape([length * length, 1]));
        Tensor::cat(planes.collect(), 0)
    }

    /// The loss with its gradients, both computed tile by tile, and the logits, which are outside the graph.
    fn trained(
        &self,
        sides: Sides,
        rows: &Segments,
        targets: &PairTargets,
        mode: Mode,
    ) -> (Tensor<1>, Tensor<2>) {
        let tiles = self.tiles(rows, &sides);
        let values = sides.sides.clone().map(Tensor::inner);
        let leaves: Vec<Dense> = sides.layers.iter().map(Dense::leaf).collect();
        let mut sums = Sums {
            sides: values.clone().map(|value| value.zeros_like()),
            layers: vec![(None, None); leaves.len()],
        };
        let mut sum = Tensor::zeros([1], &values[0].device());
        let mut logits = Vec::new();
        for (tile, number) in tiles.iter().zip(0..) {
            let parts = tile.sides(&values).map(leaf);
            let output = self.tile(parts.clone(), &leaves, sides.are_shares, mode.at(number));
            logits.push(output.clone().inner());
            let plane = &targets.planes[tile.row];
            let loss = targets.loss(plane, tile.rows.clone(), tile.columns.clone(), output);
            sum = sum + loss.clone().inner();
            let gradients = loss.backward();
            let letters = [&tile.rows, &tile.columns];
            for ((side, part), letters) in sums.sides.iter_mut().zip(parts).zip(letters) {
                if let Some(gradient) = part.grad(&gradients) {
                    let place = tile.start + letters.start..tile.start + letters.end;
                    let width = gradient.dims()[1];
                    let so_far = side.clone().slice(place.clone());
                    *side = side
                        .clone()
                        .slice_assign([place, 0..width], so_far + gradient);
                }
            }
            for ((weight, bias), leaf) in sums.layers.iter_mut().zip(&leaves) {
                add(weight, leaf.weight.grad(&gradients));
                let of_bias = leaf.bias.as_ref();
                add(bias, of_bias.and_then(|bias| bias.grad(&gradients)));
            }
        }
        for (side, gradient) in sides.sides.into_iter().zip(sums.sides) {
            sum = told(sum, side, gradient);
        }
        for (layer, (weight, bias)) in sides.layers.into_iter().zip(sums.layers) {
            if let Some(gradient) = weight {
                sum = told(sum, layer.weight, gradient);
            }
            if let (Some(input), Some(gradient)) = (layer.bias, bias) {
                sum = told(sum, input, gradient);
            }
        }
        (sum, Self::planes(rows, &tiles, logits))
    }

    /// The logits of all pairs, and what `seen` makes of each tile's.
    fn evaluated(
        &self,
        sides: Sides,
        rows: &Segments,
        mode: Mode,
        mut seen: impl FnMut(&Tile, &Tensor<2>),
    ) -> Tensor<2> {
        let tiles = self.tiles(rows, &sides);
        let values = sides.sides.clone().map(Tensor::inner);
        let layers: Vec<Dense> = sides.layers.iter().map(Dense::inner).collect();
        let mut logits = Vec::new();
        for (tile, number) in tiles.iter().zip(0..) {
            let mode = mode.at(number);
            let output = self.tile(tile.sides(&values), &layers, sides.are_shares, mode);
            seen(tile, &output);
            logits.push(output);
        }
        Self::planes(rows, &tiles, logits)
    }
}

impl Head for PairMlp {
    /// The logits of each row's pairs, `[pairs of all rows, 1]`, outside the graph: what is trained is [`Head::pair_losses`].
    fn forward(&self, input: HeadInput<'_>, mode: Mode) -> Tensor<2> {
        let rows = input.rows();
        let sides = self.sides(input.hidden, mode);
        self.evaluated(sides, &rows, mode, |_, _| {})
    }

    fn pair_losses(
        &self,
        input: HeadInput<'_>,
        targets: &PairTargets,
        mode: Mode,
    ) -> (Tensor<1>, Tensor<2>) {
        let rows = input.rows();
        let sides = self.sides(input.hidden, mode);
        if sides.sides.iter().any(Tensor::is_autodiff) {
            return self.trained(sides, &rows, targets, mode);
        }
        let mut sum = Tensor::zeros([1], &sides.sides[0].device());
        let logits = self.evaluated(sides, &rows, mode, |tile, logits| {
            let plane = &targets.planes[tile.row];
            let (rows, columns) = (tile.rows.clone(), tile.columns.clone());
            sum = sum.clone() + targets.loss(plane, rows, columns, logits.clone());
        });
        (sum, logits)
    }
}
