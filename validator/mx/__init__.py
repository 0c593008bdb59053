"""Does this domain take mail?

Read `route` for the verdicts, `resolver` for cache, deadlines and honesty, `client` for the network; `zonefile` and
`snapshot` answer in place of the network.
"""
