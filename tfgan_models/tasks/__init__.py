"""What trained models do, whatever they are opened from: one module a task.

A task NAME, one of `tfgan_models.systems.TASKS`, is

- `tfgan_models.tasks.NAME`, with `opened(found, name)`: what `tfgan_models.load`
  returns of `tfgan_models.runs.opening.Opened` for its network `name`, a
  `tfgan_models.tasks.model.Model`. Facts are those of its description
  (`tfgan_models.runs.description`), which `of_network` there tells of a network;
- `export.signatures.NAME`, with `module(network)`: a `tf.Module` of `endpoints` and
  their words, `doc`, which is what a server offers;
- `trainers.evaluation.NAME`, with what it is measured on, as
  `trainers.evaluation.measurement.Task`s: of a training, which its trainer names in
  `tasks`, and `of_model(model, request)` of what was exported.
"""
