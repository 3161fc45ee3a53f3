"""Training classifiers and reconstructors of recordings: seeded, resumable, on one machine or more.

config       what a training is made of, as typed structs
recipe       configs from TOML files and ``KEY=VALUE``, and back to TOML
batches      recordings in random order, augmented and binned
objective    what is asked of the network, and how well it does
optimiser    updates, the schedule of their rate, the average of the weights
checkpoint   the state of a training on disk, whole or not at all
watch        numbers that are not finite, memory that is not enough
parallel     several processes that train one network
trainer      the loop itself
files        what is left beside a trained model: history, curve, card
"""
