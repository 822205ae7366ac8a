"""The models of a study, loaded through the harness."""

from refusal_metrics.errors import InputError
from refusal_metrics.studies.calls import ApiCalls
from refusal_metrics.studies.once_per_prompt import OncePerPrompt
from refusal_metrics.studies.resumed import is_served
from refusal_metrics.studies.secrets import redactor_of
from refusal_metrics.studies.spec import Study, StudyModel

CHAT_APIS = ("completions",)
"""How the names of backends end that ask an API."""
_API_DEFAULTS = {"num_concurrent": 8, "max_retries": 8, "tokenized_requests": False}


def load_model(model: StudyModel) -> OncePerPrompt:
    """Load a model through the harness.

    Parameters
    ----------
    model : StudyModel

    Returns
    -------
    OncePerPrompt

    Raises
    ------
    InputError
        For an unknown backend, or a chat API asked so that failed calls would count as empty answers.
    """
    from lm_eval.api.registry import get_model  # noqa: PLC0415

    try:
        backend = get_model(model.backend)
    except (ValueError, KeyError) as error:
        raise InputError(f"{model.name}: the harness knows no backend {model.backend!r} ({error})") from error
    args = dict(model.args)
    is_api = hasattr(backend, "amodel_call")
    if is_api or model.backend.endswith(CHAT_APIS):
        args = {**_API_DEFAULTS, **args}
        if int(args["num_concurrent"]) < 2:
            raise InputError(
                f"{model.name}: args: num_concurrent is {args['num_concurrent']}; give 2 or more, for with fewer the "
                "harness takes a call that failed for an empty answer"
            )
    lm = backend.create_from_arg_obj(args, {"batch_size": model.batch_size})
    if is_api:
        return OncePerPrompt(lm, ApiCalls(lm, model.args))
    return OncePerPrompt(lm, hide=redactor_of([model.args], words=False).hide if is_served(model.backend) else None)


def check_template(study: Study, model: StudyModel, lm: OncePerPrompt) -> str:
    """Check that a chat template keeps the system message, and give the template.

    Parameters
    ----------
    study : Study
    model : StudyModel
    lm : OncePerPrompt

    Returns
    -------
    str
        Empty where there is none to be seen.

    Raises
    ------
    InputError
        If the study needs a system message and the template drops it: the harness would ask without.
    """
    wanted = study.system_prompt or ("a persona" if study.placement == "system" else "")
    if wanted and model.chat_template and not model.backend.endswith(CHAT_APIS):
        messages = [{"role": "system", "content": wanted}, {"role": "user", "content": "."}]
        try:
            shown = str(lm.apply_chat_template(messages))
        except Exception as error:  # noqa: BLE001 - templates raise what they like
            shown = f"({error})"
        if wanted not in shown:
            raise InputError(
                f"{model.name}: its chat template has no system role, so the system message would be lost; "
                "set placement: user and no system_prompt, or leave the model out"
            )
    try:
        return str(lm.chat_template(model.chat_template) or "") if model.chat_template else ""
    except (AttributeError, NotImplementedError):
        return ""
