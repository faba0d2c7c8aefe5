"""Samples from a model that completes whole texts: many requests at a time, and again where the constraint fails.

The engine of ``scheduler`` steps a backend token by token and lets a constraint choose among tokens. A server
samples for itself: its answer is held against the same grammar, and asked for again, with another seed, until
it fits or the tries are used up. What never fits is handed on as it is, to be recorded as invalid.
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import threading
import time
from collections.abc import Iterable, Iterator

from logos_cli.backends.base import Completer, TextAnswer, TextQuery
from logos_cli.engine.chemistry import SmilesConstraint
from logos_cli.engine.constraint import Constraint
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Completion, Finish, Request
from logos_cli.errors import ModelError

TRIES = 8
"""Answers asked for before a sample is given up as invalid."""

_AHEAD = 4
"""So many times the concurrency of requests are drawn before their answers come, so that no thread waits."""

_GRACE_S = 10
"""So long are the other answers under way waited for once one has failed."""

_SEEDS = 1 << 31


class CompletionEngine:
    """Makes samples with a completer; the counterpart of :class:`~logos_cli.engine.scheduler.Engine`.

    Parameters
    ----------
    batch_size : int
        Requests at a time.
    seed : int
        The run's seed.
    tries : int
        Answers asked for before a sample is given up as invalid.
    """

    def __init__(
        self, completer: Completer, sampling: Sampling, *, batch_size: int, seed: int, tries: int = TRIES
    ) -> None:
        self.completer = completer
        self.sampling = sampling
        self.seed = seed
        self.concurrency = batch_size
        self.tries = tries
        self._constraint = Constraint(completer.tokenizer)
        self._lock = threading.Lock()  # compiled grammars are shared

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield the completions as they are finished; requests are drawn as the server answers.

        What has been finished is yielded before an exception leaves.

        Raises
        ------
        ModelError, MissingError
            If the server refuses a request, or is gone.
        """
        waiting: queue.SimpleQueue[tuple[int, Request] | None] = queue.SimpleQueue()
        done: queue.SimpleQueue[Completion | BaseException] = queue.SimpleQueue()
        leave = threading.Event()
        for _ in range(self.concurrency):
            # daemons: an interrupted run does not wait for answers that may take minutes
            threading.Thread(target=self._work, args=(waiting, done, leave), daemon=True).start()
        numbered = enumerate(requests)
        n_waiting = 0
        try:
            exhausted = False
            while True:
                while not exhausted and n_waiting < _AHEAD * self.concurrency:
                    drawn = next(numbered, None)
                    exhausted = drawn is None
                    if drawn is not None:
                        waiting.put(drawn)
                        n_waiting += 1
                if n_waiting == 0:
                    break
                outcome = done.get()
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
        done: queue.SimpleQueue[Completion | BaseException],
        leave: threading.Event,
    ) -> None:
        while (drawn := waiting.get()) is not None and not leave.is_set():
            index, request = drawn
            try:
                done.put(self._complete(index, request))
            except BaseException as error:  # noqa: BLE001 - raised where the samples are drawn
                done.put(error)

    def _complete(self, index: int, request: Request) -> Completion:
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
            answer = self._ended(self.completer.complete(query), request, end)
            if self._fits(request, answer) or sampling.temperature == 0:
                break
        finish = Finish.STOP if answer.stopped else Finish.LENGTH
        tokens = tuple(tokenizer.encode(answer.text, whole=False))
        return Completion(request, tokens, answer.logps, finish, index)

    def _check_single_block(self, request: Request) -> None:
        """Refuse a request whose answer may hold tags before its last, from a server that hides them."""
        tags = set(self.completer.tokenizer.tag_ids.values()) - {request.end}
        needed = request.end is None or request.n_ends > 1
        if request.grammar is not None and not needed:
            with self._lock:
                (permitted,) = self._constraint.masks([self._constraint.matcher(request.grammar, request.given)])
            needed = bool(permitted[sorted(tags)].any())
        if needed:
            raise ModelError(
                "the server leaves the tags out of its answers, and answers of this task are made of them",
                hint="let it show special tokens (llama-server --special), see docs/guide/remote.md",
            )

    def _ended(self, answer: TextAnswer, request: Request, end: str | None) -> TextAnswer:
        """Return the answer cut after its last tag, which a server may have read on from, or hidden."""
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
        """Whether the answer is complete and keeps the constraint, if there is one."""
        if request.grammar is None:
            return True
        if not answer.stopped:
            return False
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
    waiting: queue.SimpleQueue[tuple[int, Request] | None],
    done: queue.SimpleQueue[Completion | BaseException],
    n_waiting: int,
) -> list[Completion]:
    """Return the answers that were under way when another failed; a server that hangs is not waited for."""
    with contextlib.suppress(queue.Empty):
        while True:
            waiting.get_nowait()
            n_waiting -= 1
    finished: list[Completion] = []
    until = time.monotonic() + _GRACE_S
    with contextlib.suppress(queue.Empty):
        for _ in range(n_waiting):
            outcome = done.get(timeout=max(0.0, until - time.monotonic()))
            if isinstance(outcome, Completion):
                finished.append(outcome)
    return finished


def _seed(seed: int, id: str, attempt: int) -> int:
    """Return the seed of one try, which servers want to be a number of 31 bits."""
    digest = hashlib.blake2b(f"{seed}\0{id}\0{attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % _SEEDS
