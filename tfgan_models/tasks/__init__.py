"""What trained models do, whatever they are opened from: one module per task.

A task is a row of `tfgan_models.systems.TASKS`, and by its name

- how a network of it is told, in `tfgan_models.runs.description.of_network`: facts
  that others need, such as `size_multiple` or `scale`, are fields of
  `description.Network`, and no other code works them out;
- `tfgan_models.tasks.NAME`, whose `opened(found, name)` makes what
  `tfgan_models.load` returns, a `tfgan_models.tasks.model.Model`;
- a line of `export.signatures.writing.MODULES`: a `tf.Module` with `endpoints` and
  their words, `doc`, which is what a server offers;
- a line of `trainers.evaluation.sources.EVALUATED`: what an exported model of it is
  measured on. A training is measured on what its trainer's `tasks` returns.

`tests/test_systems.py` checks that every task has all four.
"""
