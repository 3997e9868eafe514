"""How the tests draw their examples.

`steady`, the default, draws the same examples every time, so a run here and a run elsewhere agree.
`long` draws many and new ones: pytest --hypothesis-profile=long tests/PATH
"""

from hypothesis import HealthCheck, settings

# No deadline: how fast a machine is says nothing about what is right.
settings.register_profile("steady", derandomize=True, deadline=None, print_blob=True)
settings.register_profile(
    "long",
    max_examples=5_000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steady")
