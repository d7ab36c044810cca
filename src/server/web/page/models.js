// The server's models: which one is asked. A model that is not loaded yet is loaded by the first question to it; looking at
// its figures would load it as well, so that is left until then.
import {element, find} from "./dom.js";
import * as store from "./store.js";

export class Models {
  /** `changed` is called when another model was chosen. */
  constructor(changed) {
    this.list = [];
    this.select = find("model");
    this.select.addEventListener("change", () => {
      store.saveModel(this.select.value);
      changed();
    });
  }

  /** /v1/models */
  update({data}) {
    this.list = data.map(({id, meta}) => ({id, isLoaded: Boolean(meta?.n_ctx)}));
    const options = this.list.map(({id, isLoaded}) => [id, isLoaded ? id : `${id} (not loaded)`]);
    const shown = [...this.select.options].map(({value, textContent}) => [value, textContent]);
    if (JSON.stringify(options) !== JSON.stringify(shown)) {  // an open list stays open
      this.select.replaceChildren(...options.map(([value, text]) => element("option", {value}, text)));
    }
    if (this.chosen) this.select.value = this.chosen.id;
    find("model-field").hidden = this.list.length < 2;
    find("model-name").classList.toggle("visually-hidden", this.list.length > 1);
  }

  /** The one that was chosen, or one that is loaded already; undefined: there is none at all. */
  get chosen() {
    return this.list.find(({id}) => id === store.model()) ?? this.list.find(({isLoaded}) => isLoaded) ?? this.list[0];
  }
}
