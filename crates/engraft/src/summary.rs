//! What a model consists of.

use std::collections::BTreeSet;
use std::fmt;

use burn::module::Module;
use engraft_component::Choice;
use engraft_models::parameters;

use crate::core::Core;

/// What a model consists of: Keras's `summary`. Its text is a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The task, as experiments call it.
    pub task: String,
    /// The preset that the backbone came from.
    pub preset: String,
    /// How many tokens the tokenizer has; none where rows are tokens.
    pub vocabulary: Option<usize>,
    /// How many tokens texts are cut to.
    pub sequence_length: Option<usize>,
    /// The layers, in the order in which they are computed.
    pub layers: Vec<LayerSummary>,
}

/// What a layer consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerSummary {
    /// Its path: `encoder.layers.0.attention.query`.
    pub name: String,
    /// Its parameters and their shapes: `weight` and `[out, in]`.
    pub shapes: Vec<(String, Vec<usize>)>,
    /// How many numbers they are.
    pub parameters: usize,
    /// How many of them are trained.
    pub trainable: usize,
}

impl Summary {
    pub(crate) fn of(core: &Core) -> Self {
        let spec = &core.model.spec;
        let network = core.model.network.clone().train();
        let mut layers: Vec<LayerSummary> = Vec::new();
        for (path, shape, values) in parameters(&network) {
            let (layer, parameter) = path.rsplit_once('.').unwrap_or(("", &path));
            let count = shape.iter().product::<usize>();
            if layers.last().is_none_or(|last| last.name != layer) {
                layers.push(LayerSummary {
                    name: layer.to_owned(),
                    shapes: Vec::new(),
                    parameters: 0,
                    trainable: 0,
                });
            }
            if let Some(last) = layers.last_mut() {
                last.shapes.push((parameter.to_owned(), shape));
                last.parameters += count;
                last.trainable += if values.is_tracked() { count } else { 0 };
            }
        }
        let preprocessor = core.preprocessor();
        let tokenizer = preprocessor.as_ref().and_then(|it| it.tokenizer());
        Self {
            task: spec.task().name().to_owned(),
            preset: spec.checkpoint().preset().name().to_owned(),
            vocabulary: tokenizer.map(|tokenizer| tokenizer.vocabulary_size()),
            sequence_length: preprocessor.as_ref().and_then(|it| it.length()),
            layers,
        }
    }

    /// How many numbers the model has.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| layer.parameters).sum()
    }

    /// How many of them are trained.
    pub fn trainable(&self) -> usize {
        self.layers.iter().map(|layer| layer.trainable).sum()
    }

    /// Bytes that they take, four each.
    pub fn bytes(&self) -> usize {
        4 * self.parameters()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.vocabulary, self.sequence_length) {
            (Some(tokens), Some(length)) => {
                writeln!(
                    f,
                    "Preprocessor: vocabulary of {tokens}, texts of {length} tokens at most"
                )?;
            }
            (Some(tokens), None) => writeln!(f, "Preprocessor: vocabulary of {tokens}")?,
            (None, _) => writeln!(f, "Preprocessor: none, rows are tokens")?,
        }
        writeln!(f, "Model: {} on {}", self.task, self.preset)?;
        let shapes = |layer: &LayerSummary| {
            let shapes = layer.shapes.iter().map(|(name, shape)| {
                let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
                format!("{name} {}", sizes.join(" x "))
            });
            shapes.collect::<Vec<_>>().join(", ")
        };
        let rows: Vec<[String; 4]> =
            std::iter::once(["Layer", "Shape", "Parameters", "Trained"].map(str::to_owned))
                .chain(self.layers.iter().map(|layer| {
                    let trained = match layer.trainable {
                        0 => "no",
                        all if all == layer.parameters => "yes",
                        _ => "in part",
                    };
                    [
                        layer.name.clone(),
                        shapes(layer),
                        thousands(layer.parameters),
                        trained.to_owned(),
                    ]
                }))
                .collect();
        let width = |column: usize| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let [name, shape, count] = [0, 1, 2].map(width);
        for row in &rows {
            writeln!(
                f,
                "{:name$}  {:shape$}  {:>count$}  {}",
                row[0], row[1], row[2], row[3]
            )?;
        }
        let (all, trained) = (self.parameters(), self.trainable());
        let megabytes = self.bytes() as f64 / 1e6;
        writeln!(f, "Parameters: {} ({megabytes:.1} MB)", thousands(all))?;
        write!(
            f,
            "Trained: {}, not trained: {}",
            thousands(trained),
            thousands(all - trained)
        )
    }
}

/// `1,234,567`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let breaks: BTreeSet<usize> = (1..digits.len())
        .filter(|at| (digits.len() - at).is_multiple_of(3))
        .collect();
    let letters = digits.chars().enumerate();
    letters
        .flat_map(|(at, digit)| {
            breaks
                .contains(&at)
                .then_some(',')
                .into_iter()
                .chain([digit])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn large_numbers_have_commas() {
        let numbers = [0, 12, 123, 1234, 123_456, 1_234_567];
        let written = numbers.map(super::thousands);
        assert_eq!(written, ["0", "12", "123", "1,234", "123,456", "1,234,567"]);
    }
}
