//! The methods that every task of the library has, whatever is asked of it beside.

/// Gives a task its methods. It has to have three of its own: `core`; `parts`, the core and what the task was made from; and `renew`, which
/// follows where the core has other weights or another sampler.
macro_rules! task_methods {
    ([$($generics:tt)*] $task:ty) => {
        impl<$($generics)*> $task {
        /// Decides how the model is trained and scored, and, if it writes, how it chooses tokens; a model is built with the defaults, unless that was
        /// declined.
        ///
        /// # Errors
        /// A name that there is not, a loss or metric of another kind of labels, a task that has no loss and is given none, a sampler where nothing is
        /// written or with arguments that no sampler can have. The model stays as it was.
        pub fn compile(&mut self, compile: $crate::Compile) -> $crate::Result<()> {
            self.parts().0.compile(compile)?;
            self.renew()
        }

        /// Rows as this task takes them, of anything that it can be trained on.
        ///
        /// # Errors
        /// Those of [`Data::rows`](crate::Data::rows).
        pub fn examples(&self, data: impl $crate::Data) -> $crate::Result<$crate::data::Examples> {
            data.rows(&self.core().wants())
        }

        /// Trains on rows: loss and metrics of each epoch. A language model learns from texts alone, an encoder-decoder from pairs of one that is
        /// read and one that is written, everything else from rows and their labels.
        ///
        /// # Errors
        /// The model is not compiled, or its task only predicts; labels are missing or out of range; a text is too long or cannot be read; the loss is
        /// no longer finite. The model stays as it was.
        pub fn fit(
            &mut self,
            train: impl $crate::Data,
            fit: $crate::Fit<'_>,
        ) -> $crate::Result<$crate::History> {
            let train = self.examples(train)?;
            let history = self.parts().0.fit(train, fit)?;
            self.renew()?;
            Ok(history)
        }

        /// One step on rows that are a batch: its loss and metrics, `loss` and `accuracy` among them.
        ///
        /// # Errors
        /// Those of [`Self::fit`]. The model stays as it was.
        pub fn train_on_batch(&mut self, batch: impl $crate::Data) -> $crate::Result<$crate::Scores> {
            let batch = self.examples(batch)?;
            let scores = self.parts().0.train_on_batch(batch)?;
            self.renew()?;
            Ok(scores)
        }

        /// Loss and metrics over rows as [`Self::fit`] takes them: `test_loss`, `test_accuracy`, ...
        ///
        /// # Errors
        /// The model is not compiled, or its task only predicts; there are no rows; labels are missing or out of range; a text is too long or cannot
        /// be read.
        pub fn evaluate(&self, data: impl $crate::Data) -> $crate::Result<$crate::Scores> {
            self.core().evaluate(self.examples(data)?)
        }

        /// Adds low-rank updates of a rank to the backbone, of an encoder-decoder to both stacks, which are trained from then on in the place of its
        /// weights: KerasHub's `enable_lora`.
        ///
        /// # Errors
        /// The backbone has some already, or the rank is none that updates can have. The model stays as it was.
        pub fn enable_lora(&mut self, rank: usize) -> $crate::Result<()> {
            let (core, start) = self.parts();
            core.enable_lora(start, rank)?;
            self.renew()
        }

        /// Writes the low-rank updates, and the head where it was trained, as PEFT has them: a folder that
        /// `backbone(|it| it.peft_path = ..)` of a builder opens on the backbone that they were trained on.
        ///
        /// # Errors
        /// There are none; the folder cannot be written.
        pub fn save_lora_weights(&self, folder: impl AsRef<std::path::Path>) -> $crate::Result<()> {
            self.core().save_lora_weights(folder.as_ref())
        }

        /// Writes a preset: a folder that [`Self::from_preset`], the command line and the reference library open.
        ///
        /// # Errors
        /// The folder cannot be written, or holds something else than a preset.
        pub fn save_to_preset(&self, folder: impl AsRef<std::path::Path>) -> $crate::Result<()> {
            self.core().save_to_preset(folder.as_ref())
        }

        /// The backbone alone, with the weights that it has now; of an encoder-decoder the encoder.
        ///
        /// # Errors
        /// It has no hidden states of tokens to show.
        pub fn backbone(&self) -> $crate::Result<$crate::Backbone> {
            $crate::Backbone::of(&self.core().model)
        }

        /// What makes tokens of texts that are read; none where rows are tokens.
        pub fn preprocessor(&self) -> Option<$crate::Preprocessor> {
            self.core().preprocessor()
        }

        /// Sets what makes tokens of texts that are read, at any time; with `None` rows are tokens. The model's own may cut to another length than
        /// before.
        ///
        /// # Errors
        /// The task looks at the texts themselves, at their letters or at several, so that it makes tokens itself; a length that the model cannot
        /// have. The model stays as it was.
        pub fn set_preprocessor(
            &mut self,
            preprocessor: Option<$crate::Preprocessor>,
        ) -> $crate::Result<()> {
            self.parts().0.set_preprocessor(preprocessor)
        }

        /// Layers, their shapes and parameters, and which are trained.
        pub fn summary(&self) -> $crate::Summary {
            $crate::Summary::of(self.core())
        }

        /// What there was to say of the last call: how many texts were cut, what of them the vocabulary lacks, and of what writes, how tokens are
        /// chosen where that is left to the preset.
        pub fn notes(&self) -> Vec<String> {
            self.core().notes()
        }

        /// Ends what the model is doing, from any thread.
        pub fn stopper(&self) -> $crate::Stopper {
            self.core().stopper.clone()
        }

        }
    };
}

pub(crate) use task_methods;
