//! Which numbers of Keras's data sets are which of Hugging Face's tensors.

use std::collections::BTreeMap;

use crate::pieces::{Move, View};

/// The names of a layer's parameters.
const WEIGHT: &str = "weight";
const BIAS: &str = "bias";

/// Numbers of a data set that are numbers of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The path of the data set as KerasHub writes it, such as `layers/dense/vars/0`.
    pub(super) path: String,
    /// The shape of the data set as a whole.
    pub(super) stored: Vec<usize>,
    /// The tensor.
    pub(super) tensor: String,
    pub(super) moved: Move,
}

/// The tensors of a model, and where Keras has them.
#[derive(Clone, Debug, Default)]
pub(super) struct TensorMap {
    pub(super) parts: Vec<Part>,
    /// The shape of each tensor; what no part covers is zero.
    pub(super) tensors: BTreeMap<String, Vec<usize>>,
    /// Which tensor has the numbers of one that is not there: the table of tokens, where its model turns states into logits by it.
    pub(super) twins: BTreeMap<String, String>,
    /// Rows that Keras has none of, and the table to each of whose rows they are added instead.
    pub(super) folded: Vec<Folded>,
    /// A table of tokens whose rows Hugging Face multiplies when it reads them, and Keras does not.
    pub(super) scaled: Option<Scaled>,
    /// Data sets that Keras has of what Hugging Face computes.
    pub(super) constants: Vec<(String, Vec<f32>)>,
}

/// A table that is written multiplied by a number, and one row of it as zeros.
#[derive(Clone, Debug)]
pub(super) struct Scaled {
    pub(super) tensor: String,
    pub(super) factor: f32,
    pub(super) zero: usize,
}

/// One row that is added to every token's vector, which a table does as well that every token has a row of.
#[derive(Clone, Debug)]
pub(super) struct Folded {
    pub(super) row: String,
    /// The path of the table.
    pub(super) table: String,
}

/// Layers of Keras below one path, which are modules of Hugging Face below one name.
#[derive(Debug)]
pub(super) struct Scope<'m> {
    map: &'m mut TensorMap,
    path: String,
    module: String,
}

/// Rows of a weight matrix that a layer of Keras is, among several that lie in one matrix of Hugging Face.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    pub(super) first: usize,
    pub(super) of: usize,
}

impl TensorMap {
    /// Layers below `path` that are modules below `module`; either may be empty, for the whole.
    pub(super) fn at(&mut self, path: impl Into<String>, module: impl Into<String>) -> Scope<'_> {
        Scope {
            map: self,
            path: path.into(),
            module: module.into(),
        }
    }

    /// What `each` adds for each of `count` layers of a kind, which Hugging Face numbers below `module`.
    pub(super) fn layers(
        &mut self,
        kind: &str,
        module: &str,
        count: usize,
        mut each: impl FnMut(usize, &mut Scope<'_>),
    ) {
        for number in 0..count {
            let path = format!("layers/{}", nth(kind, number));
            each(number, &mut self.at(path, format!("{module}.{number}")));
        }
    }
}

impl Rows {
    /// All of them.
    pub(super) fn all(count: usize) -> Self {
        Self {
            first: 0,
            of: count,
        }
    }
}

impl Scope<'_> {
    /// A table of vectors.
    pub(super) fn table(&mut self, layer: &str, module: &str, rows: usize, width: usize) {
        self.rows_of_table(layer, module, 0, rows, width);
    }

    /// A table of vectors before whose first row Hugging Face has `before` others.
    pub(super) fn rows_of_table(
        &mut self,
        layer: &str,
        module: &str,
        before: usize,
        rows: usize,
        width: usize,
    ) {
        let mut to = View::whole(&[rows, width]);
        to.start = before * width;
        let whole = vec![before + rows, width];
        let name = self.named(module, WEIGHT);
        self.part(layer, 0, &[rows, width], name, whole, &[rows, width], to);
    }

    /// The matrix that turns hidden states into logits, where Keras has one beside the table of tokens, which `tokens` is.
    pub(super) fn untied_head(&mut self, vocabulary: usize, hidden: usize, tokens: &str) {
        let name = "lm_head.weight".to_owned();
        let twin = self.named(tokens, WEIGHT);
        self.map.twins.insert(name.clone(), twin);
        let rows = Rows::all(vocabulary);
        self.turned(
            "reversible_embedding",
            1,
            name,
            &[hidden],
            &[vocabulary],
            rows,
        );
    }

    /// A linear layer with a bias.
    pub(super) fn linear(
        &mut self,
        layer: &str,
        module: &str,
        inputs: &[usize],
        outputs: &[usize],
    ) {
        self.kernel(layer, module, inputs, outputs);
        self.bias(layer, module, outputs);
    }

    /// A linear layer's matrix: Keras has a kernel from inputs to outputs, each of several dimensions perhaps, Hugging Face has it turned.
    pub(super) fn kernel(
        &mut self,
        layer: &str,
        module: &str,
        inputs: &[usize],
        outputs: &[usize],
    ) {
        let rows = Rows::all(outputs.iter().product());
        self.kernel_in(layer, module, inputs, outputs, rows);
    }

    /// The same as some rows of a matrix.
    pub(super) fn kernel_in(
        &mut self,
        layer: &str,
        module: &str,
        inputs: &[usize],
        outputs: &[usize],
        rows: Rows,
    ) {
        let name = self.named(module, WEIGHT);
        self.turned(layer, 0, name, inputs, outputs, rows);
    }

    /// A data set from inputs to outputs, turned, as some rows of a matrix.
    pub(super) fn turned(
        &mut self,
        layer: &str,
        number: usize,
        name: String,
        inputs: &[usize],
        outputs: &[usize],
        rows: Rows,
    ) {
        let stored = [inputs, outputs].concat();
        let [input, output] = [inputs, outputs].map(|sizes| sizes.iter().product());
        let to = View {
            start: rows.first * input,
            strides: vec![1, input],
        };
        let whole = vec![rows.of, input];
        self.part(layer, number, &stored, name, whole, &[input, output], to);
    }

    /// A linear layer's bias.
    pub(super) fn bias(&mut self, layer: &str, module: &str, outputs: &[usize]) {
        let rows = Rows::all(outputs.iter().product());
        self.bias_in(layer, module, outputs, rows);
    }

    /// The same as some numbers of a bias.
    pub(super) fn bias_in(&mut self, layer: &str, module: &str, outputs: &[usize], rows: Rows) {
        let name = self.named(module, BIAS);
        let count = outputs.iter().product();
        let to = View {
            start: rows.first,
            strides: vec![1],
        };
        self.part(layer, 1, outputs, name, vec![rows.of], &[count], to);
    }

    /// A norm with a bias.
    pub(super) fn norm(&mut self, layer: &str, module: &str, width: usize) {
        self.scale(layer, module, width);
        self.bias(layer, module, &[width]);
    }

    /// A norm without.
    pub(super) fn scale(&mut self, layer: &str, module: &str, width: usize) {
        let name = self.named(module, WEIGHT);
        self.vector(layer, 0, name, width);
    }

    /// Numbers that both have in the same order.
    pub(super) fn vector(&mut self, layer: &str, number: usize, name: String, count: usize) {
        let to = View::whole(&[count]);
        self.part(layer, number, &[count], name, vec![count], &[count], to);
    }

    /// A table of one row, of which Keras has nothing: it is zero, or added to each row of the table of `layer`.
    pub(super) fn folded(&mut self, module: &str, width: usize, layer: &str) {
        let row = self.named(module, WEIGHT);
        self.map.tensors.insert(row.clone(), vec![1, width]);
        let table = self.path_of(layer, 0);
        self.map.folded.push(Folded { row, table });
    }

    /// Numbers that Keras stores and Hugging Face computes.
    pub(super) fn constant(&mut self, layer: &str, numbers: Vec<f32>) {
        let path = self.path_of(layer, 0);
        self.map.constants.push((path, numbers));
    }

    /// Some numbers of a data set, all of it row by row in the shape `shape`, as `to` of a tensor of the shape `whole`.
    #[expect(clippy::too_many_arguments, reason = "each is another end of one move")]
    pub(super) fn part(
        &mut self,
        layer: &str,
        number: usize,
        stored: &[usize],
        name: String,
        whole: Vec<usize>,
        shape: &[usize],
        to: View,
    ) {
        self.move_part(
            layer,
            number,
            stored,
            name,
            whole,
            Move {
                shape: shape.to_vec(),
                from: View::whole(shape),
                to,
            },
        );
    }

    /// Some numbers of a data set as some of a tensor of the shape `whole`.
    pub(super) fn move_part(
        &mut self,
        layer: &str,
        number: usize,
        stored: &[usize],
        name: String,
        whole: Vec<usize>,
        moved: Move,
    ) {
        self.map.tensors.insert(name.clone(), whole);
        self.map.parts.push(Part {
            path: self.path_of(layer, number),
            stored: stored.to_vec(),
            tensor: name,
            moved,
        });
    }

    /// The path of a layer's data set.
    fn path_of(&self, layer: &str, number: usize) -> String {
        let path = [self.path.as_str(), layer, "vars"];
        let path: Vec<&str> = path.into_iter().filter(|part| !part.is_empty()).collect();
        format!("{}/{number}", path.join("/"))
    }

    /// The name of a parameter of a module of this scope.
    pub(super) fn named(&self, module: &str, parameter: &str) -> String {
        let parts = [self.module.as_str(), module, parameter];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(".")
    }
}

/// What Keras calls the `number`th layer of a kind.
pub(super) fn nth(layer: &str, number: usize) -> String {
    match number {
        0 => layer.to_owned(),
        _ => format!("{layer}_{number}"),
    }
}

/// A path without underscores at the beginnings of names: Keras gave some of them and later took them away.
pub(super) fn bare(path: &str) -> String {
    let names = path.split('/').map(|name| name.trim_start_matches('_'));
    names.collect::<Vec<_>>().join("/")
}
