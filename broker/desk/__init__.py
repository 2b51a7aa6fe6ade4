"""The desk: pages and an HTTP door for people and systems without a Kafka client.

One process serves one organisation, with that organisation's keys and no other's. It reads the
organisation's own topics, keeps what it needs sealed in a database of its own, and publishes as any
other client does. Nothing here decides what anybody may be told: that was decided, recorded and sealed
before it came here.
"""

import warnings

import authlib.deprecate  # type: ignore[import-untyped]

# httpx is what is pinned and what the other side of Authlib is tested with here; its advice to use a newer
# client is for us, not for whoever starts a desk. Authlib turns its warnings on when it is imported.
warnings.filterwarnings("ignore", category=authlib.deprecate.AuthlibDeprecationWarning)
