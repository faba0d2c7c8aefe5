"""Samples from a model that completes whole texts: many requests at a time, with new tries if the constraint fails.

The engine of ``scheduler`` steps a backend token by token, with a constraint on the tokens. A server samples itself:
its answer is checked with the same grammar, and requested again with another seed until it fits or the tries are
used up. The last answer that does not fit becomes an invalid record. An answer that was cut at the limit of tokens is
not requested again: the next would take as long, and most likely be cut, too.
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import resource
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from logos_cli.backends.base import Completer, TextAnswer, TextQuery
from logos_cli.engine.chemistry import SmilesConstraint
from logos_cli.engine.constraint import Constraint
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Completion, Finish, Request
from logos_cli.errors import ModelError

TRIES = 8
"""Most answers requested for one sample."""

_AHEAD = 4
"""Requests in the queue, as a multiple of the concurrency, so that no thread waits."""

_GRACE_S = 10
"""Seconds to wait for other answers after a failure."""

_SEEDS = 1 << 31
_MOST_FILES, _FILES_A_REQUEST = 4096, 4

_Outcome = Completion | BaseException | None
"""What a thread reports: a sample, an error, or None for an answer that is requested again."""


class CompletionEngine:
    """Samples with a completer; the counterpart of :class:`~logos_cli.engine.scheduler.Engine`.

    Parameters
    ----------
    batch_size : int
        Most requests at a time.
    seed : int
        The run's seed.
    tries : int
        Most answers requested for one sample.

    Attributes
    ----------
    n_redrawn : int
        Answers so far that did not fit, and in whose place another was requested.
    n_given_up : int
        Samples so far that had no answer that fits in all tries.
    on_redraw : callable, optional
        Called when ``n_redrawn`` has grown, by the thread of :meth:`run`.
    """

    def __init__(
        self, completer: Completer, sampling: Sampling, *, batch_size: int, seed: int, tries: int = TRIES
    ) -> None:
        self.completer = completer
        self.sampling = sampling
        self.seed = seed
        self.concurrency = min(batch_size, _most_connections())
        self.tries = tries
        self.n_redrawn = self.n_given_up = 0
        self.on_redraw: Callable[[], None] | None = None
        self._constraint = Constraint(completer.tokenizer)
        self._lock = threading.Lock()  # compiled grammars are shared

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield completions as they finish, taking requests as the server answers.

        Finished completions are yielded before an exception propagates.

        Raises
        ------
        ModelError, MissingError
            If the server refuses a request, or cannot be reached.
        """
        waiting: queue.SimpleQueue[tuple[int, Request] | None] = queue.SimpleQueue()
        done: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()
        leave = threading.Event()
        for _ in range(self.concurrency):
            # daemons, because an interrupted run must not wait minutes for answers
            threading.Thread(target=self._work, args=(waiting, done, leave), daemon=True).start()
        numbered = enumerate(requests)
        n_waiting = 0
        try:
            exhausted = False
            while True:
                while not exhausted and n_waiting < _AHEAD * self.concurrency:
                    request = next(numbered, None)
                    exhausted = request is None
                    if request is not None:
                        waiting.put(request)
                        n_waiting += 1
                if n_waiting == 0:
                    break
                outcome = done.get()
                if outcome is None:
                    self.n_redrawn += 1
                    if self.on_redraw is not None:
                        self.on_redraw()
                    continue
                n_waiting -= 1
                if isinstance(outcome, BaseException):
                    yield from _last_answers(waiting, done, n_waiting)
                    raise outcome
                yield outcome
        finally:
            leave.set()
            for _ in range(self.concurrency):
                waiting.put(None)

    def _work(
        self,
        waiting: queue.SimpleQueue[tuple[int, Request] | None],
        done: queue.SimpleQueue[_Outcome],
        leave: threading.Event,
    ) -> None:
        while (numbered := waiting.get()) is not None and not leave.is_set():
            index, request = numbered
            try:
                done.put(self._complete(index, request, lambda: done.put(None)))
            except BaseException as error:  # noqa: BLE001 - raised in run()
                done.put(error)

    def _complete(self, index: int, request: Request, note_redraw: Callable[[], None]) -> Completion:
        tokenizer = self.completer.tokenizer
        prompt = tokenizer.decode(request.prompt)
        end = tokenizer.vocabulary[request.end].decode() if request.end is not None else None
        if self.completer.hides_tags:
            self._check_single_block(request)
        answer = TextAnswer("", (), stopped=False)
        sampling = self.sampling
        if request.greedy:
            sampling = Sampling(temperature=0, max_new_tokens=sampling.max_new_tokens)
        for attempt in range(self.tries):
            query = TextQuery(
                prompt,
                _seed(self.seed, request.id, attempt),
                sampling.max_new_tokens,
                sampling.temperature,
                sampling.top_k,
                sampling.top_p,
                sampling.min_p,
                sampling.repetition_penalty,
                stop=end if request.n_ends == 1 else None,
            )
            answer = self._cut_at_end(self.completer.complete(query), request, end)
            if not answer.stopped or self._fits(request, answer) or sampling.temperature == 0:
                break
            if attempt + 1 < self.tries:
                note_redraw()
            else:
                with self._lock:
                    self.n_given_up += 1
        finish = Finish.STOP if answer.stopped else Finish.LENGTH
        tokens = tuple(tokenizer.encode(answer.text, whole=False))
        return Completion(request, tokens, answer.logps, finish, index)

    def _check_single_block(self, request: Request) -> None:
        """Refuse a request whose answer may have tags before its last, from a server that hides them."""
        tags = set(self.completer.tokenizer.tag_ids.values()) - {request.end}
        needs_tags = request.end is None or request.n_ends > 1
        if request.grammar is not None and not needs_tags:
            with self._lock:
                (permitted,) = self._constraint.masks([self._constraint.matcher(request.grammar, request.given)])
            needs_tags = bool(permitted[sorted(tags)].any())
        if needs_tags:
            raise ModelError(
                "the answers of the server lack tags, which the answers of this task need",
                hint="configure it to show special tokens (llama-server --special), see docs/guide/remote.md",
            )

    def _cut_at_end(self, answer: TextAnswer, request: Request, end: str | None) -> TextAnswer:
        """Return the answer up to its last tag: a server may have continued after it, or hidden it."""
        if end is None:
            return answer
        parts = answer.text.split(end)
        if len(parts) > request.n_ends:
            text = end.join(parts[: request.n_ends]) + end
            return TextAnswer(text, answer.logps, stopped=True)
        if self.completer.hides_tags and answer.stopped:
            return TextAnswer(answer.text + end, answer.logps, stopped=True)
        return answer

    def _fits(self, request: Request, answer: TextAnswer) -> bool:
        """Whether the answer is complete and fulfils the constraint, if there is one."""
        if request.grammar is None:
            return True
        tokens = self.completer.tokenizer.encode(answer.text, whole=False)
        with self._lock:
            matcher = self._constraint.matcher(request.grammar, request.given).inner
        if matcher.try_consume_tokens(tokens) < len(tokens) or not matcher.is_accepting():
            return False
        if not request.chemistry:
            return True
        chemistry = SmilesConstraint(self.completer.tokenizer, request.given)
        return all(chemistry.accepts(token) for token in tokens)


def _last_answers(
    waiting: queue.SimpleQueue[tuple[int, Request] | None], done: queue.SimpleQueue[_Outcome], n_waiting: int
) -> list[Completion]:
    """Return the answers in progress at a failure, waiting at most ``_GRACE_S`` seconds."""
    with contextlib.suppress(queue.Empty):
        while True:
            waiting.get_nowait()
            n_waiting -= 1
    finished: list[Completion] = []
    until = time.monotonic() + _GRACE_S
    with contextlib.suppress(queue.Empty):
        while n_waiting:
            outcome = done.get(timeout=max(0.0, until - time.monotonic()))
            n_waiting -= outcome is not None
            if isinstance(outcome, Completion):
                finished.append(outcome)
    return finished


def _most_connections() -> int:
    """Return how many requests this process can make at a time: each needs files of which the system allows some."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _MOST_FILES if files == resource.RLIM_INFINITY else min(files, _MOST_FILES)
    return max(1, files // _FILES_A_REQUEST)


def _seed(seed: int, id: str, attempt: int) -> int:
    """Return the seed of one try, a number of 31 bits as servers require."""
    digest = hashlib.blake2b(f"{seed}\0{id}\0{attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % _SEEDS
