"""The live chart from end to end: how long an event takes to a painted frame, and how many clients a server bears.

The whole chain runs as users run it: Kafka, the moving average on Spark, the server, and here a browser or a thousand
clients; the market is the generator of `benchmarks.live_engines`. All of it shares the machine.
"""
