"""Names of what is measured for every block."""

from revconsole.records.logs.per_block import block_number, measured_by_block, of_block


def test_a_name_says_its_block_and_blocks_are_in_their_order():
    names = [of_block("gradient", number) for number in (11, 2, 0)]

    assert [block_number(name) for name in names] == [11, 2, 0]
    assert block_number("loss") is None
    assert measured_by_block(["loss", *names]) == {"gradient": [names[2], names[1], names[0]]}
