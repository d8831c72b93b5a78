//! What tells one encoder from another: a hash of all that its hidden states depend on beside the tokens.

use crate::config::DropoutConfig;
use crate::linears::Linears;
use crate::names::parameters;
use crate::transformer::Transformer;

impl Transformer {
    /// A BLAKE3 hash of every parameter, its LoRA updates included, of the shape and of the version of this library, whose rounding another may
    /// not share. Rates of dropout, and whether layers are computed again in training, which change nothing when an encoder is only used, are left out. Reads everything.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = blake3::Hasher::new();
        // Lengths come first, so that no two encoders hash the same bytes.
        let text = |hash: &mut blake3::Hasher, text: &str| {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        text(&mut hash, env!("CARGO_PKG_VERSION"));
        let mut config = self.config().clone();
        config.dropout = DropoutConfig::default();
        config.recomputes = false;
        text(&mut hash, &format!("{config:?}"));
        text(&mut hash, &format!("{:?}", self.frequencies()));
        for (path, linear) in self.linears() {
            if let Some(lora) = &linear.lora {
                text(&mut hash, &format!("{path} {}", lora.rule().scale()));
            }
        }
        for (path, linear) in self.expert_linears() {
            if let Some(lora) = &linear.lora {
                let (experts, scale) = (lora.experts(), lora.rule().scale());
                text(&mut hash, &format!("{path} {experts:?} {scale}"));
            }
        }
        let mut bytes = Vec::new();
        for (path, shape, values) in parameters(self) {
            text(&mut hash, &format!("{path} {shape:?}"));
            bytes.clear();
            let values = values.into_data();
            bytes.extend(values.iter::<f32>().flat_map(f32::to_le_bytes));
            hash.update(&bytes);
        }
        *hash.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use engraft_kernels::Key;

    use super::*;
    use crate::config::TransformerConfig;
    use crate::initial::Initial;
    use crate::lora::LoraRule;

    fn encoder(seed: u64, change: impl Fn(&mut TransformerConfig)) -> Transformer {
        let mut config = TransformerConfig::bert(9, 8, 2, 2);
        change(&mut config);
        let initial = Initial {
            device: Device::flex(),
            key: Key::new(seed),
        };
        Transformer::new(&config, &initial)
    }

    #[test]
    fn encoders_that_compute_otherwise_have_other_fingerprints() {
        let first = encoder(1, |_| {}).fingerprint();
        assert_eq!(encoder(1, |_| {}).fingerprint(), first);
        assert_eq!(
            encoder(1, |config| config.dropout.embedding = 0.5).fingerprint(),
            first
        );
        assert_ne!(encoder(2, |_| {}).fingerprint(), first);
        assert_ne!(
            encoder(1, |config| config.norm.epsilon = 1e-3).fingerprint(),
            first
        );
        let mut turned = encoder(1, |_| {});
        turned.set_frequencies(Some(vec![1.0]));
        assert_ne!(turned.fingerprint(), first);
        let adapted = |alpha| {
            let mut encoder = encoder(1, |_| {});
            let initial = Initial {
                device: Device::flex(),
                key: Key::new(3),
            };
            let rule = LoraRule {
                r: 2,
                alpha,
                rank_stabilised: false,
                dropout: 0.0,
            };
            let linears = (&mut encoder).linears().into_iter();
            linears.for_each(|(_, linear)| linear.adapt(rule, &initial));
            encoder.fingerprint()
        };
        assert_ne!(adapted(2.0), first);
        assert_ne!(adapted(2.0), adapted(4.0));
    }
}
