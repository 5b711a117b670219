"""Together: one training on several ranks, processes that share the work of each step.

    alone        the only rank of a training: every exchange is the identity
    ranks        one of several, by torch.distributed
    gradients    the sum of the ranks' gradients, in their order
    notes        what ranks write of themselves into the attempt's folder, and the first reason for its end
    watch        ends a rank as soon as another one is gone, fails or stands still
    launcher     starts the ranks of a run by torchrun, and waits for their end
    rank         the child process that is one rank

World N computes what `train.accumulate` = N computes in one process, to the bit: a rank takes micro-batches of the very
batch that one process would split, draws are keyed by the number of the micro-batch, and sums go in its order.
"""
