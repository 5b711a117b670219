"""Learning: how a model comes to its weights. `learning` has the interface; `preparing` chooses the member.

by_gradients   networks: steps along the gradient of a loss, over shuffled batches
by_fitting     a support vector machine: a fit to each pair of classes; no gradient, no loss, no parameters
"""
